"""Reading the audit trail: by person, object, action and time, or one object's whole life."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Q, QuerySet

from accounts.models import AuditEvent, User

Target = tuple[str, str]
Relatives = Callable[[str], Iterable[Target]]

_relatives: dict[str, Relatives] = {}
_SHA256 = re.compile(r"[0-9a-f]{64}")


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
        rows = AuditEvent.objects.all()
        if self.person:
            rows = rows.filter(_of_person(self.person))
        if self.about:
            rows = rows.filter(_about(self.about))
        if self.action:
            rows = rows.filter(action=self.action)
        if self.since:
            rows = rows.filter(at__gte=_midnight(self.since))
        if self.until:
            rows = rows.filter(at__lt=_midnight(self.until) + timedelta(days=1))
        return rows


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


def _of_person(person: str) -> Q:
    if person.isascii() and person.isdigit() and len(person) < 19:
        pk: int | None = int(person)
    else:
        pk = User.objects.filter(email__iexact=person).values_list("pk", flat=True).first()
    if pk is None:
        return Q(pk__in=[])
    return Q(actor_id=pk) | Q(target_type="user", target_id=str(pk))


def _about(text: str) -> Q:
    text = text.lower()
    return Q(target_sha256=text) if _SHA256.fullmatch(text) else Q(target_id=text)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
