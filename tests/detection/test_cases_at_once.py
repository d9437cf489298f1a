"""Two who change one case at once: the database decides, and nothing is written twice."""

import time
from collections.abc import Callable
from functools import partial
from itertools import count
from threading import Event

import pytest

from accounts import audit
from detection.errors import Refused
from detection.models import Case, CaseImage, CaseNote, Image
from detection.services import case_notes, cases, custody
from tests.factories import image_row, in_parallel

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def case(alice) -> Case:
    return cases.create(by=alice, title="Flood")


def outcome(change) -> str:
    try:
        change()
    except Refused as refusal:
        return refusal.code
    return "saved"


def test_of_saves_over_one_version_one_wins(case, alice):
    tabs = count()

    def save() -> str:
        title = f"Tab {next(tabs)}"
        return outcome(partial(cases.edit, by=alice, case=case, seen_version=1, title=title))

    assert sorted(in_parallel(save, times=4)) == ["case_changed_meanwhile"] * 3 + ["saved"]
    assert Case.objects.get().version == 2


def test_of_versions_of_a_note_one_wins(case, alice):
    note = case_notes.add_note(by=alice, case=case, text="First")
    save = partial(case_notes.edit_note, by=alice, note=note, text="Second", seen_version=1)
    found = in_parallel(lambda: outcome(save), times=4)
    assert sorted(found) == ["case_changed_meanwhile"] * 3 + ["saved"]
    assert CaseNote.objects.get().versions.count() == 2


def test_an_image_added_by_many_at_once_is_there_once(case, alice):
    image = image_row(alice)
    add = partial(cases.add_images, by=alice, case=case, images=[image])
    assert sorted(in_parallel(add, times=4)) == [0, 0, 0, 1]
    assert CaseImage.objects.count() == 1


def test_what_moves_both_ways_at_once_waits_for_nobody_for_ever(case, alice):
    other, images = cases.create(by=alice, title="Storm"), [image_row(alice), image_row(alice)]
    cases.add_images(by=alice, case=case, images=images[:1])
    cases.add_images(by=alice, case=other, images=images[1:])
    ways = count()

    def move() -> None:
        is_first = next(ways) % 2 == 0
        source, target = (case, other) if is_first else (other, case)
        cases.move_image(by=alice, image=images[not is_first], source=source, target=target)

    in_parallel(move, times=2)
    assert list(case.images.all()) == images[1:]
    assert list(other.images.all()) == images[:1]


@pytest.fixture
def first_event(monkeypatch) -> Event:
    """Set when anybody has recorded an event; then they take their time."""
    recorded, record = Event(), audit.record

    def slowly(*args, **named):
        kept = record(*args, **named)
        recorded.set()
        time.sleep(0.2)
        return kept

    monkeypatch.setattr(audit, "record", slowly)
    return recorded


def beside_hiding(change: Callable[[], object], image: Image, first_event: Event) -> None:
    """Make a change, and hide the image once the change has recorded something."""
    first_event.clear()
    turns = count()

    def act() -> None:
        if next(turns) == 0:
            change()
        else:
            first_event.wait(10)
            custody.set_confidential(by=image.owner, image=image, is_confidential=True)

    in_parallel(act, times=2)
    image.refresh_from_db()
    assert image.is_confidential


def test_an_image_moves_while_it_is_hidden(case, alice, first_event):
    other, image = cases.create(by=alice, title="Storm"), image_row(alice)
    cases.add_images(by=alice, case=case, images=[image])
    move = partial(cases.move_image, by=alice, image=image, source=case, target=other)
    beside_hiding(move, image, first_event)
    assert list(other.images.all()) == [image]


def test_an_image_goes_into_a_new_case_while_it_is_hidden(alice, first_event, client_of):
    image, browser = image_row(alice), client_of(alice)
    form = {"action": "add", "title": "New"}
    add = partial(browser.post, f"/images/{image.pk}/cases", form)
    beside_hiding(add, image, first_event)
    assert list(Case.objects.get(title="New").images.all()) == [image]
