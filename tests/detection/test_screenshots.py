"""The photograph inside a screenshot is looked for once an image."""

import pytest

from detection import previews, screenshots, storage
from detection.evidence.screenshot import VERSION
from detection.models import Image
from detection.services import erasure
from tests import images
from tests.factories import image_row

pytestmark = pytest.mark.django_db
PLACE = (0.1, 0.2, 0.5, 0.4)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Each time that somebody looks for one; it is found."""
    calls: list[object] = []
    monkeypatch.setattr(
        screenshots, "photograph_inside", lambda picture: calls.append(picture.size) or PLACE
    )
    return calls


@pytest.fixture
def image(alice) -> Image:
    row = image_row(alice)
    for side in previews.PREVIEW_SIDES:
        storage.write_atomically(storage.preview_path(row.pk, side), images.jpeg_bytes(200, 150))
    return row


def test_it_is_looked_for_once(image, looked):
    assert [screenshots.photograph_in(image) for _ in range(3)] == [PLACE] * 3
    assert len(looked) == 1


def test_so_is_one_that_is_not_there(image, monkeypatch):
    calls = []
    monkeypatch.setattr(screenshots, "photograph_inside", calls.append)
    assert [screenshots.photograph_in(image) for _ in range(3)] == [None] * 3
    assert len(calls) == 1


def test_what_cannot_be_read_is_looked_for_again(image, looked):
    storage.photograph_path(image.pk, VERSION).write_text("[0.1,")
    assert screenshots.photograph_in(image) == PLACE
    assert screenshots.photograph_in(image) == PLACE
    assert len(looked) == 1


def test_another_method_looks_anew(image, looked, monkeypatch):
    screenshots.photograph_in(image)
    monkeypatch.setattr(screenshots, "VERSION", VERSION + 1)
    screenshots.photograph_in(image)
    assert len(looked) == 2


def test_without_a_preview_nothing_is_kept(alice, looked):
    row = image_row(alice)
    assert screenshots.photograph_in(row) is None
    assert (looked, storage.photograph_path(row.pk, VERSION).exists()) == ([], False)


def test_it_goes_with_the_image(image, alice, looked, django_capture_on_commit_callbacks):
    screenshots.photograph_in(image)
    kept = storage.photograph_path(image.pk, VERSION)
    assert kept.exists()
    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase_image(by=alice, image=image)
    assert not kept.parent.exists()


def test_a_look_that_ends_after_the_erasure_brings_no_folder_back(image, monkeypatch):
    def erased_meanwhile(_picture: object) -> tuple[float, ...]:
        storage.erase(image.pk)
        return PLACE

    monkeypatch.setattr(screenshots, "photograph_inside", erased_meanwhile)
    screenshots.photograph_in(image)
    assert not storage.preview_path(image.pk, 0).parent.exists()
