"""What a case holds: counts for lists, rows for pages, and all of it for a report."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Case as If
from django.db.models import Count, F, OuterRef, Subquery, When

from accounts.models import User
from detection.models import Case, CaseImage, CaseMember, CaseNote, Detection, Submission
from detection.models.newest_first import NewestFirst
from detection.services.reviewed import outcome_counts_of

# A report of more would neither print nor be read; it says how many there are.
MOST_IMAGES = 500
MOST_NOTES = 500


@dataclass(frozen=True)
class Entry:
    """One image of a case.

    Attributes:
        detection: the newest of the image.
        file_name: as the reader submitted it, or somebody into this case; else empty.
    """

    row: CaseImage
    detection: Detection | None
    file_name: str


@dataclass(frozen=True)
class Person:
    """Somebody who belongs to a case; `role` is that of `Case.role_of`."""

    user: User
    role: str


@dataclass(frozen=True)
class CaseSummary:
    """A case as a report shows it: images in the order they were added, notes oldest first.

    Attributes:
        counts: images by outcome: a verdict, or the status of what has none.
        reviewed: those that reviewers decided about, by what they said; as `reviewed_counts`.
        image_count, note_count: of all, where `entries` and `notes` are cut short.
    """

    case: Case
    tags: list[str]
    people: list[Person]
    entries: list[Entry]
    notes: list[CaseNote]
    counts: dict[str, int]
    reviewed: dict[str, int]
    image_count: int
    note_count: int


def case_summary(case: Case, user: User) -> CaseSummary:
    """All that somebody who belongs to a case reads in it.

    Raises:
        Case.DoesNotExist: they do not belong to it.
    """
    row = Case.objects.visible_to(user).select_related("owner").get(pk=case.pk)
    images = row.entries.order_by("created_at", "id")
    notes = row.notes.order_by("created_at", "id")
    counts = outcome_counts([row.pk]).get(row.pk, {})
    return CaseSummary(
        case=row,
        tags=[tag.name for tag in row.tags.all()],
        people=people_of(row),
        entries=entries_of(row, images[:MOST_IMAGES], user),
        notes=list(with_words(notes)[:MOST_NOTES]),
        counts=counts,
        reviewed=reviewed_counts(row, user),
        image_count=sum(counts.values()),
        note_count=notes.count(),
    )


def outcome_counts(case_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, dict[str, int]]:
    """Images of each case by what the newest detection says: a verdict, or its status."""
    standing = Detection.objects.standing().filter(image=OuterRef("image"))
    newest = standing.order_by("-created_at", "-id")
    said = newest.values_list(If(When(verdict="", then=F("status")), default=F("verdict")))
    rows = (
        CaseImage.objects.filter(case__in=list(case_ids))
        .annotate(outcome=Subquery(said[:1]))
        .order_by()
        .values_list("case", "outcome")
        .annotate(count=Count("pk"))
    )
    found: dict[uuid.UUID, dict[str, int]] = {}
    for case_id, name, count in rows:
        found.setdefault(case_id, {})[name or Detection.Status.QUEUED] = count
    return found


def reviewed_counts(case: Case, user: User) -> dict[str, int]:
    """Images of a case that reviewers decided about, by what they said, as far as one is told."""
    return outcome_counts_of(CaseImage.objects.filter(case=case).values("image"), user)


def entries_of(case: Case, rows: Iterable[CaseImage], user: User) -> list[Entry]:
    """These images of a case with their newest detections and the names the reader knows."""
    wanted = list(rows)
    ids = [row.image_id for row in wanted]
    people = User.objects.in_bulk({row.added_by_id for row in wanted if row.added_by_id})
    found = (
        Detection.objects.standing()
        .filter(image__in=ids)
        .select_related("image__owner", "model_version")
        .defer("activation", "timings_ms")
        .order_by("created_at", "id")
    )
    newest = {row.image_id: row for row in found}
    names = _file_names(case, ids, user)
    for row in wanted:
        row.added_by = people.get(row.added_by_id or 0)
    return [Entry(row, newest.get(row.image_id), names.get(row.image_id, "")) for row in wanted]


def people_of(case: Case) -> list[Person]:
    """The owner, then those who work on it, then those who read it."""
    members = case.members.select_related("user").order_by("role", "created_at", "pk")
    return [
        Person(case.owner, CaseMember.OWNER),
        *(Person(member.user, member.role) for member in members),
    ]


def with_words(notes: NewestFirst[CaseNote]) -> NewestFirst[CaseNote]:
    """Notes with what `CaseNote.latest` and a page need."""
    return notes.select_related("author", "removed_by").prefetch_related("versions")


def _file_names(case: Case, image_ids: list[uuid.UUID], user: User) -> dict[uuid.UUID, str]:
    """What the reader called a file, or whoever sent it into this case."""
    rows = Submission.objects.filter(image__in=image_ids).order_by("created_at")
    # Asked of a case or a person, SQLite without statistics reads all of theirs.
    found = list(rows.values_list("image_id", "file_name", "case_id", "by_id"))
    told = {image: name for image, name, sent_to, _by in found if sent_to == case.pk}
    return told | {image: name for image, name, _to, by in found if by == user.pk}
