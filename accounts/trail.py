"""Reading the audit trail: by person, object, action and time, or one object's whole life."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Q, QuerySet

from accounts.action_words import TARGETS
from accounts.models import AuditEvent, User

Target = tuple[str, str]
Place = tuple[datetime, int]  # of an event among those newest first: its moment and its id
Relatives = Callable[[str], Iterable[Target]]

_relatives: dict[str, Relatives] = {}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Filter:
    """What to look for; what is empty excludes nothing.

    Attributes:
        person: an e-mail address, or the number of a person whose address was erased: what they
            did, and what was done to their account.
        about: an object's id, or the SHA-256 of an image or a model in hex.
        since, until: days in UTC, both included.
    """

    person: str = ""
    about: str = ""
    action: str = ""
    since: date | None = None
    until: date | None = None

    def events(self) -> QuerySet[AuditEvent]:
        """All that match, in no order."""
        rows = self._without_person()
        return rows.filter(Q(*_of_person(self.person), _connector=Q.OR)) if self.person else rows

    def newest(self, count: int, *, before: Place | None = None) -> list[AuditEvent]:
        """The latest of them by their moment, with their details; those before a place.

        What somebody did and what was done to their account have an index each, so each is asked
        for by itself: of both at once, SQLite and PostgreSQL sort all there are.
        """
        rows = self._without_person().select_related("detail")
        if before is not None:
            at, pk = before
            rows = rows.filter(Q(at__lt=at) | Q(at=at, id__lt=pk), at__lte=at)
        parts = _of_person(self.person) if self.person else [Q()]
        found = [
            event for part in parts for event in rows.filter(part).order_by("-at", "-id")[:count]
        ]
        latest = {event.pk: event for event in found}.values()  # one may be in both
        return sorted(latest, key=lambda event: (event.at, event.pk), reverse=True)[:count]

    def _without_person(self) -> QuerySet[AuditEvent]:
        rows = AuditEvent.objects.all()
        if self.about:
            rows = rows.filter(_about(self.about))
        if self.action:
            rows = rows.filter(action=self.action)
        if self.since:
            rows = rows.filter(at__gte=_midnight(self.since))
        if self.until:
            rows = rows.filter(at__lt=_midnight(self.until) + timedelta(days=1))
        return rows


def place_of(event: AuditEvent) -> str:
    """Where an event stands among those newest first, as a page's address says it."""
    return f"{(event.at - _EPOCH) // timedelta(microseconds=1)}.{event.pk}"


def read_place(text: str) -> Place | None:
    """The place that an address says; None for what is none."""
    microseconds, _dot, pk = text.partition(".")
    if not (text.isascii() and microseconds.isdigit() and pk.isdigit() and len(pk) < 19):
        return None
    try:
        return _EPOCH + timedelta(microseconds=int(microseconds)), int(pk)
    except (ValueError, OverflowError):
        return None


def register_relatives(target_type: str, relatives: Relatives) -> None:
    """Say which other objects share the life of one, as (type, id); given the one's id."""
    _relatives[target_type] = relatives


def life_of(target_type: str, target_id: str) -> QuerySet[AuditEvent]:
    """All that happened to an object and its relatives, oldest first."""
    targets = {(target_type, target_id)}
    if relatives := _relatives.get(target_type):
        targets |= set(relatives(target_id))
    wanted = Q()
    for kind in {kind for kind, _ in targets}:
        ids = [pk for of_kind, pk in targets if of_kind == kind]
        wanted |= Q(target_type=kind, target_id__in=ids)
    return AuditEvent.objects.filter(wanted).order_by("id")


def _of_person(person: str) -> list[Q]:
    """What they did, and what was done to their account."""
    if person.isascii() and person.isdigit() and len(person) < 19:
        pk: int | None = int(person)
    else:
        pk = User.objects.filter(email__iexact=person).values_list("pk", flat=True).first()
    if pk is None:
        return [Q(pk__in=[])]
    return [Q(actor_id=pk), Q(target_type="user", target_id=str(pk))]


def _about(text: str) -> Q:
    text = text.lower()
    if _SHA256.fullmatch(text):
        return Q(target_sha256=text)
    return Q(target_type__in=TARGETS, target_id=text)  # the index has the type first


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
