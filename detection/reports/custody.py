"""The chain of custody in a report: what happened to an image, without naming anybody."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from accounts.action_words import action_words
from accounts.models import AuditEvent
from accounts.presentation import ROLES
from accounts.trail import life_of
from detection.models import Image, ReviewItem

MOST_EVENTS = 100


@dataclass(frozen=True)
class Custody:
    """The newest events of an image's life, oldest first.

    Attributes:
        facts: for machines; `seq` and `hash` find each event in the audit trail.
        rows: number, moment in UTC, what happened, by whom.
        left_out: how many older ones there are.
    """

    facts: list[dict[str, Any]]
    rows: list[list[str]]
    left_out: int


def custody_of(image: Image) -> Custody:
    """People are numbered in the order in which they first appear: the same number, one person.

    That an image measures reviewers is left out: they may be among those who read it.
    """
    of_golden = ReviewItem.objects.filter(detection__image=image, golden__isnull=False)
    untold = {("reviewitem", str(pk)) for pk in of_golden.values_list("pk", flat=True)}
    events = [
        event
        for event in life_of("image", str(image.pk))
        if event.target_type != "goldenimage" and (event.target_type, event.target_id) not in untold
    ]
    people: dict[int, int] = {}
    for event in events:
        if event.actor_id is not None:
            people.setdefault(event.actor_id, len(people) + 1)
    shown = events[-MOST_EVENTS:]
    left_out = len(events) - len(shown)
    return Custody(
        facts=[_fact(event, people) for event in shown],
        rows=[_row(number, event, people) for number, event in enumerate(shown, left_out + 1)],
        left_out=left_out,
    )


def _fact(event: AuditEvent, people: dict[int, int]) -> dict[str, Any]:
    return {
        "action": event.action,
        "actor": people.get(event.actor_id or 0),
        "actor_role": event.actor_role or None,
        "at": event.at.isoformat(),
        "chain": event.chain,
        "hash": event.hash,
        "seq": event.seq,
    }


def _row(number: int, event: AuditEvent, people: dict[int, int]) -> list[str]:
    at = f"{event.at:%Y-%m-%d %H:%M:%S}"
    return [str(number), at, action_words(event.action), _who(event, people)]


def _who(event: AuditEvent, people: dict[int, int]) -> str:
    if event.actor_id is None:
        return _("the desk itself")
    role = str(ROLES.get(event.actor_role, event.actor_role))
    return _("person %(number)s (%(role)s)") % {"number": people[event.actor_id], "role": role}
