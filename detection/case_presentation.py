"""Cases as pages show them: counts in words, entries with their cards, history in sentences."""

import json
import unicodedata
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.action_words import action_words
from accounts.models import AuditEvent, User
from accounts.trail import life_of
from detection import words
from detection.models import Case, CaseMember, CaseNote, CaseTag, Detection, Image, Outcome
from detection.presentation import TONES, VerdictCard, verdict_card
from detection.review_words import OUTCOME_TONES, ReviewCard, review_card
from detection.services.case_summary import Entry
from detection.services.reviewed import Review, reviews_shown_to

SUGGESTED_TAGS = 12
CHOICES = 100
ROLES: dict[str, str | Promise] = {
    CaseMember.OWNER: _("Owner"),
    CaseMember.Role.EDITOR: CaseMember.Role.EDITOR.label,
    CaseMember.Role.READER: CaseMember.Role.READER.label,
}
BECAUSE: dict[str, str | Promise] = {
    "erased": _("the image was erased"),
    "confidential": _("it is confidential, and its owner does not show it here"),
    "withdrawn": _("its owner withdrew it"),
}
# In the order in which a newsroom needs to see them.
OUTCOMES: list[tuple[str, str | Promise, str]] = [
    *(
        (verdict.value, verdict.label, TONES[verdict])
        for verdict in (
            Detection.Verdict.LIKELY_MANIPULATED,
            Detection.Verdict.INCONCLUSIVE,
            Detection.Verdict.LIKELY_AUTHENTIC,
        )
    ),
    (Detection.Status.FAILED, words.NOT_JUDGED, "failed"),
    (Detection.Status.QUEUED, _("Being checked…"), "waiting"),
]


@dataclass(frozen=True)
class Tally:
    """How many images have one outcome."""

    label: str | Promise
    tone: str
    count: int


@dataclass(frozen=True)
class ShownEntry:
    """An image of a case with its verdict in words."""

    entry: Entry
    card: VerdictCard | None
    review: ReviewCard | None = None


@dataclass(frozen=True)
class ShownNote:
    """A note for one reader; `text` is empty where it was removed or its author erased."""

    note: CaseNote
    text: str
    is_own: bool
    may_remove: bool


@dataclass(frozen=True)
class HistoryRow:
    """One event of a case in words, without the texts that only auditors read."""

    pk: int
    at: datetime
    action: str
    actor: User | None
    about: User | None
    because: str | Promise
    detection: Detection | None


def tallies(counts: dict[str, int]) -> list[Tally]:
    """Counts of `outcome_counts` in a fixed order; what is not judged yet is one of them."""
    waiting = counts.get(Detection.Status.RUNNING, 0)
    found = counts | {Detection.Status.QUEUED: counts.get(Detection.Status.QUEUED, 0) + waiting}
    return [Tally(label, tone, found[key]) for key, label, tone in OUTCOMES if found.get(key)]


def review_tallies(counts: dict[str, int]) -> list[Tally]:
    """Counts of `reviewed_counts`, in the order of verdicts."""
    return [
        Tally(outcome.label, OUTCOME_TONES[outcome], counts[outcome])
        for outcome in (Outcome.MANIPULATED, Outcome.CANNOT_TELL, Outcome.AUTHENTIC)
        if counts.get(outcome)
    ]


def shown_entries(entries: Iterable[Entry], reader: User) -> list[ShownEntry]:
    shown = list(entries)
    images = {one.detection.image_id for one in shown if one.detection}
    reviews = reviews_shown_to(reader, images)
    return [_shown(entry, reviews) for entry in shown]


def _shown(entry: Entry, reviews: dict[uuid.UUID, Review]) -> ShownEntry:
    row = entry.detection
    if row is None:
        return ShownEntry(entry, None)
    return ShownEntry(entry, verdict_card(row), review_card(reviews.get(row.image_id), row.verdict))


def shown_notes(notes: Iterable[CaseNote], case: Case, reader: User) -> list[ShownNote]:
    return [
        ShownNote(
            note=note,
            text=note.latest.text,
            is_own=note.author_id == reader.pk,
            may_remove=not note.removed_at and reader.pk in (note.author_id, case.owner_id),
        )
        for note in notes
    ]


def history_rows(case: Case, reader: User, *, before: int | None, size: int) -> list[HistoryRow]:
    """What happened to a case, newest first; one row more than a page, where there is more."""
    events = life_of("case", str(case.pk)).filter(target_type="case").order_by("-id")
    if before is not None:
        events = events.filter(pk__lt=before)
    return _rows(list(events[: size + 1]), reader)


def suggested_tags(user: User) -> list[str]:
    """Tags of one's cases, the most used first."""
    rows = CaseTag.objects.filter(case__in=Case.objects.visible_to(user)).order_by()
    used = rows.values_list("name").annotate(count=Count("pk")).order_by("-count", "name")
    return [name for name, _count in used[:SUGGESTED_TAGS]]


def case_choices(user: User) -> list[Case]:
    """Open cases that one may add to, the newest first."""
    return list(Case.objects.writable_by(user).newest_first()[:CHOICES])


def cases_of_name(user: User, title: str) -> list[Case]:
    """Cases that one belongs to and that are called so, in whatever letters; the newest first."""
    name = _folded(title)
    known = Case.objects.visible_to(user).order_by().values_list("pk", "title")
    # compared here, because SQLite knows the small letters of ASCII alone
    same = [pk for pk, other in known if _folded(other) == name]
    return list(Case.objects.filter(pk__in=same[:CHOICES]).newest_first())


def _folded(title: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", title).casefold().split())


def _rows(events: list[AuditEvent], reader: User) -> list[HistoryRow]:
    after = [_after(event) for event in events]
    ids = {event.actor_id for event in events} | {_person(said) for said in after}
    people = User.objects.in_bulk([pk for pk in ids if pk is not None])
    images = {uuid.UUID(said["image"]) for said in after if "image" in said}
    seen = Image.objects.seen_by(reader, images)
    judged = Detection.objects.filter(image__in=seen).order_by("created_at").defer("activation")
    detections = {str(row.image_id): row for row in judged}
    return [
        HistoryRow(
            pk=event.pk,
            at=event.at,
            action=action_words(event.action),
            actor=people.get(event.actor_id or 0),
            about=people.get(_person(said) or 0),
            because=BECAUSE.get(said.get("because", ""), ""),
            detection=detections.get(str(said.get("image"))),
        )
        for event, said in zip(events, after, strict=True)
    ]


def _after(event: AuditEvent) -> dict[str, Any]:
    said = json.loads(event.change).get("after")
    return said if isinstance(said, dict) else {}


def _person(said: dict[str, Any]) -> int | None:
    return said.get("person") or said.get("owner")
