"""Notes keep their versions; a removed one keeps its place."""

from functools import partial

import pytest
from django.db import DatabaseError, connection, transaction

from detection.errors import Refused
from detection.models import Case, CaseNote, CaseNoteVersion
from detection.services import case_notes, cases
from tests.detection.test_case_people import refused
from tests.detection.test_cases import READER, actions, joined

pytestmark = pytest.mark.django_db


@pytest.fixture
def case(alice) -> Case:
    return cases.create(by=alice, title="Flood")


@pytest.fixture
def note(case, alice) -> CaseNote:
    return case_notes.add_note(by=alice, case=case, text="First")


def test_a_change_keeps_what_was_there(note, alice, case):
    case_notes.edit_note(by=alice, note=note, text="Second", seen_version=1)
    assert list(note.versions.values_list("number", "text")) == [(1, "First"), (2, "Second")]
    assert actions(case)[-2:] == ["case.note_added", "case.note_changed"]


def test_the_later_of_two_tabs_is_refused(note, alice):
    case_notes.edit_note(by=alice, note=note, text="One tab", seen_version=1)
    with pytest.raises(Refused, match="newer version"):
        case_notes.edit_note(by=alice, note=note, text="Other tab", seen_version=1)
    assert CaseNote.objects.get().latest.text == "One tab"


def test_a_removed_note_loses_its_words_and_not_its_place(note, alice, case):
    case_notes.edit_note(by=alice, note=note, text="Second", seen_version=1)
    assert case_notes.remove_note(by=alice, note=note)
    assert not case_notes.remove_note(by=alice, note=note)
    note.refresh_from_db()
    assert note.removed_by == alice
    assert set(note.versions.values_list("text", flat=True)) == {""}
    assert actions(case)[-1] == "case.note_removed"
    assert refused(lambda: _edit(alice, note, seen_version=2)) == "note_removed"


def test_others_do_not_change_it_and_the_owner_of_the_case_removes_it(case, alice, bob, carol):
    joined(case, bob)
    joined(case, carol, READER)
    theirs = case_notes.add_note(by=bob, case=case, text="Bob’s")
    assert refused(lambda: _edit(alice, theirs)) == "note_not_yours"
    assert refused(lambda: _edit(carol, theirs)) == "case_not_yours_to_change"
    assert case_notes.remove_note(by=alice, note=theirs)


def test_readers_and_strangers_write_nothing(case, bob, carol):
    joined(case, carol, READER)
    for person, code in ((carol, "case_not_yours_to_change"), (bob, "case_gone")):
        write = partial(case_notes.add_note, by=person, case=case, text="x")
        assert refused(write) == code


@pytest.mark.parametrize("change", [{"text": "Forged"}, {"number": 7}])
def test_the_database_changes_no_version(note, change):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        CaseNoteVersion.objects.update(**change)


def test_the_database_deletes_no_version(note):
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM detection_casenoteversion")


def _edit(by, note, seen_version=1) -> CaseNote:
    return case_notes.edit_note(by=by, note=note, text="x", seen_version=seen_version)
