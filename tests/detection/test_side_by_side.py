"""Two images beside each other: for who sees both, with what tells them apart."""

import uuid
from io import BytesIO

import PIL.Image
import pytest

from accounts.models import User
from detection.models import Detection, Image, ModelVersion
from detection.services.seen_before import Kind, alike
from detection.side_by_side import side_by_side
from detection.tasks import run_detection
from tests import images
from tests.factories import done_row, image_row, submitted
from tests.review_desk import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def judged(alice, model_version, fake_judgement):
    """A function: bytes sent by Alice, as a judged detection."""

    def judge(data: bytes, by: User = alice, **options) -> Detection:
        submission = submitted(by, data, **options)
        run_detection(str(submission.detection_id))
        return Detection.objects.select_related("image", "model_version").get(
            pk=submission.detection_id
        )

    return judge


@pytest.fixture
def page(client_of):
    def get(by: User, one: Detection, other: Detection):
        return client_of(by).get(f"/detections/{one.pk}/beside/{other.pk}")

    return get


def smaller(data: bytes) -> bytes:
    """A copy without metadata, at half the size, saved again."""
    with PIL.Image.open(BytesIO(data), formats=["JPEG"]) as picture:
        small = picture.resize((picture.width // 2, picture.height // 2))
    return images.encode(small, "JPEG", quality=70)


def rows(one: Detection, other: Detection) -> dict[str, tuple[str, str]]:
    said = side_by_side(one, other, file_names=("a.jpg", "b.jpg"), fake_share=None)
    return {row.label: (row.one, row.other) for row in said.different}


def test_a_copy_and_its_original_are_told_apart_by_what_their_files_say(judged, alice, page):
    original = judged(images.gps_jpeg(), name="camera.jpg")
    copy = judged(smaller(images.gps_jpeg()), name="<b>copy.jpg")
    answer = page(alice, original, copy)
    assert answer.status_code == 200
    text, html = text_of(answer), answer.content.decode()
    assert "A copy: saved again, resized or a screenshot" in text
    assert "&lt;b&gt;copy.jpg" in html
    for row in (original, copy):
        assert f'src="/images/{row.image_id}/preview/1024"' in html
        assert f'href="/detections/{row.pk}"' in html
    different = rows(original, copy)
    assert different["File name"] == ("a.jpg", "b.jpg")
    assert different["SHA-256"] == (original.image.sha256, copy.image.sha256)
    assert different["Where it was taken"][0]
    assert different["Where it was taken"][1] == ""
    assert "Format" not in different
    assert "not stated" in text


def test_one_file_sent_twice_by_two_people_says_nothing_differently(judged, alice, bob):
    data = images.jpeg_bytes(200, 150, seed=3)
    one, other = judged(data), judged(data, by=bob)
    said = side_by_side(one, other, file_names=("a.jpg", "a.jpg"), fake_share=None)
    assert (str(said.kind), said.distance, said.different) == ("The same file", None, [])
    assert {row.label for row in said.equal} >= {"File name", "Format", "Dimensions", "SHA-256"}


def test_who_does_not_see_both_sees_neither(judged, alice, bob, carol, page):
    one, other = judged(images.jpeg_bytes(seed=1)), judged(images.jpeg_bytes(seed=2), by=bob)
    assert page(alice, one, other).status_code == 404
    assert page(alice, other, one).status_code == 404
    assert page(carol, one, other).status_code == 200
    Image.objects.filter(pk=other.image_id).update(is_confidential=True)
    assert page(carol, one, other).status_code == 404
    gone = Detection(pk=uuid.uuid4())
    assert page(alice, one, gone).status_code == 404


def test_two_verdicts_about_one_picture_are_warned_of(alice, model_version, page):
    later = ModelVersion.objects.create(name="later", version="2", artifact_sha256="e" * 64)
    one = done_row(alice, model_version)
    verdict = {"verdict": "likely_manipulated", "probability": 0.9}
    again = done_row(alice, later, image=one.image, **verdict)
    another = done_row(alice, model_version, **verdict)
    assert "The verdicts disagree." in text_of(page(alice, one, again))
    assert "The verdicts disagree." not in text_of(page(alice, one, another))


@pytest.mark.parametrize(
    ("hashes", "kind"),
    [
        (("0f0f0f0f0f0f0f0f", "0f0f0f0f0f0f0f0e"), Kind.NEAR),
        (("0f0f0f0f0f0f0f0f", "0f0f0f0f0f0f0ff0"), Kind.POSSIBLE),
        (("0f0f0f0f0f0f0f0f", "ff00ff00ff00ff00"), None),
    ],
)
def test_how_alike_they_are_goes_by_the_same_bounds_as_what_was_seen_before(alice, hashes, kind):
    one, other = (image_row(alice, perceptual_hash=value) for value in hashes)
    found = alike(one, other)
    assert found is not None
    assert found.kind == kind
    assert alike(other, one).distance == found.distance or kind is None


def test_what_was_never_decoded_cannot_be_compared(alice, model_version, page):
    one, other = (done_row(alice, model_version, image=image_row(alice)) for _ in range(2))
    assert alike(one.image, other.image) is None
    assert "too uniform to be compared, or was not decoded" in text_of(page(alice, one, other))


def test_sightings_lead_there(judged, alice, client_of):
    one = judged(images.jpeg_bytes(seed=5))
    other = judged(smaller(images.jpeg_bytes(seed=5)))
    html = client_of(alice).get(f"/detections/{one.pk}").content.decode()
    assert f'href="/detections/{one.pk}/beside/{other.pk}"' in html
