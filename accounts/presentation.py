"""Audit events as pages show them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from accounts.action_words import action_words, target_words
from accounts.models import AuditEvent, User

NOTHING = "–"
ROLES = dict(User.Role.choices)


@dataclass(frozen=True)
class EventRow:
    """One event in words.

    Attributes:
        actor: who did it; None for the desk itself.
        role: what they were then, in words; empty for the desk itself.
        changes: names with their values before and after, where either is something.
        details: text about persons; empty where there was none or it was erased.
        is_erased: whether there was text about persons that is gone.
        is_whole: whether the event is what its hash says.
    """

    event: AuditEvent
    action: str
    target: str
    actor: User | None
    role: str
    changes: list[tuple[str, str, str]]
    details: list[tuple[str, str]]
    is_erased: bool
    is_whole: bool


def event_rows(events: Iterable[AuditEvent]) -> list[EventRow]:
    """Rows in the given order; events come with their `detail` selected."""
    rows = list(events)
    people = User.objects.in_bulk({row.actor_id for row in rows if row.actor_id is not None})
    return [_row(event, people.get(event.actor_id or 0)) for event in rows]


def _row(event: AuditEvent, actor: User | None) -> EventRow:
    detail = getattr(event, "detail", None)
    return EventRow(
        event=event,
        action=action_words(event.action),
        target=target_words(event.target_type),
        actor=actor,
        role=str(ROLES.get(event.actor_role, event.actor_role)),
        changes=_changes(event.change),
        details=[(key, _text(value)) for key, value in _read(detail.body if detail else "")],
        is_erased=bool(event.detail_commitment) and detail is None,
        is_whole=event.computed_hash() == event.hash,
    )


def _changes(change: str) -> list[tuple[str, str, str]]:
    sides = dict(_read(change))
    before, after = (_mapping(sides.get(side)) for side in ("before", "after"))
    names = [*before, *(name for name in after if name not in before)]
    told = [(name, _text(before.get(name)), _text(after.get(name))) for name in names]
    return [row for row in told if row[1:] != (NOTHING, NOTHING)]


def _read(body: str) -> Iterable[tuple[str, Any]]:
    """Pairs of a JSON object; nothing of what is none, as after somebody changed it."""
    try:
        return _mapping(json.loads(body or "{}")).items()
    except ValueError:
        return {}.items()


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if value in (None, "", []):
        return NOTHING
    if isinstance(value, str):
        return value
    return ", ".join(map(str, value)) if isinstance(value, list) else json.dumps(value)
