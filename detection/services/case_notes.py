"""What people write in a case: every version is kept, and a removed note leaves its place."""

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from detection.errors import Refused
from detection.models import Case, CaseNote, CaseNoteVersion
from detection.services.cases import held, record

MAX_TEXT = 10_000


def add_note(*, by: User, case: Case, text: str) -> CaseNote:
    """Write a note.

    Raises:
        Refused: the case is closed, or this person only reads it.
    """
    with transaction.atomic():
        row = held(case, by, writing=True)
        note = CaseNote.objects.create(case=row, author=by)
        CaseNoteVersion.objects.create(note=note, number=1, text=text)
        record("case.note_added", by=by, case=row, after={"note": str(note.pk)})
    return note


def edit_note(*, by: User, note: CaseNote, text: str, seen_version: int) -> CaseNote:
    """Write a newer version of one's own note.

    Raises:
        Refused: as `add_note`; or it is another's, was removed, or has a newer version already.
    """
    with transaction.atomic():
        row = held(note.case, by, writing=True)
        now = CaseNote.objects.select_for_update(of=("self",)).get(pk=note.pk)
        if now.author_id != by.pk:
            raise Refused("note_not_yours")
        if now.removed_at:
            raise Refused("note_removed")
        if now.version != seen_version:
            raise Refused("case_changed_meanwhile")
        now.version += 1
        now.save(update_fields=["version"])
        CaseNoteVersion.objects.create(note=now, number=now.version, text=text)
        after = {"note": str(now.pk), "version": now.version}
        record("case.note_changed", by=by, case=row, after=after)
    return now


def remove_note(*, by: User, note: CaseNote) -> bool:
    """Take the words of a note, and of all its versions; False where somebody did so before.

    Its author does so, and the owner of the case.

    Raises:
        Refused: the case is closed, or it is neither of them.
    """
    with transaction.atomic():
        row = held(note.case, by, writing=True)
        if by.pk not in (note.author_id, row.owner_id):
            raise Refused("note_not_yours")
        gone = {"removed_at": timezone.now(), "removed_by": by}
        if not CaseNote.objects.filter(pk=note.pk, removed_at=None).update(**gone):
            return False
        CaseNoteVersion.objects.filter(note=note).update(text="")
        record("case.note_removed", by=by, case=row, after={"note": str(note.pk)})
    return True
