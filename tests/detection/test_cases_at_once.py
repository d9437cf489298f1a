"""Two who change one case at once: the database decides, and nothing is written twice."""

from functools import partial
from itertools import count

import pytest

from detection.errors import Refused
from detection.models import Case, CaseImage, CaseNote
from detection.services import case_notes, cases
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
