"""record(): the one door to the audit trail."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import connection, models
from django.utils import timezone

from accounts.audit_key import mac_key, mac_of
from accounts.models.audit_event import (
    CHAINS,
    SYSTEM_CHAIN,
    AuditChain,
    AuditDetail,
    AuditEvent,
    canonical,
    commitment,
)
from accounts.models.user import User


@dataclass(frozen=True)
class RequestContext:
    """Where an action came from: the request's id, the client's address, the API key used."""

    request_id: str = ""
    address: str = ""
    key_prefix: str = ""


NO_REQUEST = RequestContext()
context_var: ContextVar[RequestContext] = ContextVar("audit_context", default=NO_REQUEST)


def chain_of(owner_id: int | None) -> int:
    """The chain that holds the events about one owner's objects; the system's own without one."""
    return SYSTEM_CHAIN if owner_id is None else owner_id % CHAINS + 1


@dataclass(frozen=True)
class _Draft:
    """An event without its place in a chain."""

    chain: int
    columns: dict[str, Any]
    salt: str = ""
    body: str = ""


_gathered: ContextVar[list[_Draft] | None] = ContextVar("gathered_events", default=None)


@contextmanager
def together() -> Iterator[None]:
    """Append all that is recorded in this block as one, at its end.

    Each chain is then locked once and for a moment, where many events of one transaction would hold
    it, and everybody who waits for it, from the first of them on. A block that fails appends
    nothing; its transaction must not be committed.

    Raises:
        RuntimeError: called outside a transaction.
    """
    _require_transaction("a block of events")
    drafts: list[_Draft] = []
    token = _gathered.set(drafts)
    try:
        yield
    finally:
        _gathered.reset(token)
    _append(drafts)


def record(
    action: str,
    *,
    actor: User | None,
    target: models.Model,
    owner: User | None = None,
    target_sha256: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Append one event to its chain, in the transaction of the action that it records.

    Call it last: it locks the chain's head until the transaction ends.

    Args:
        action: `noun.past_tense`, such as `submission.accepted`.
        actor: who did it; None for the system itself.
        owner: whose object it is, which chooses the chain; None for the system's objects.
        before, after: the state that changed, without text about persons.
        detail: text about persons (names, addresses, file names), kept apart and erasable.
    Raises:
        RuntimeError: called outside a transaction.
    """
    _require_transaction(action)
    context = context_var.get()
    about = dict(detail or {})
    if context.address:
        about["address"] = context.address
    salt, body = (secrets.token_hex(32), canonical(about)) if about else ("", "")
    draft = _Draft(
        chain_of(owner.pk if owner is not None else None),
        {
            "action": action,
            "actor_id": actor.pk if actor else None,
            "actor_role": actor.role if actor else "",
            "key_prefix": context.key_prefix,
            "target_type": target._meta.model_name or "",
            "target_id": str(target.pk),
            "target_sha256": target_sha256,
            "change": canonical({"before": before or {}, "after": after or {}}),
            "request_id": context.request_id,
            "detail_commitment": commitment(salt, body) if about else "",
        },
        salt,
        body,
    )
    gathered = _gathered.get()
    if gathered is None:
        _append([draft])
    else:
        gathered.append(draft)


def _require_transaction(what: str) -> None:
    if not connection.in_atomic_block:
        raise RuntimeError(f"{what}: an audit event belongs into its action's transaction")


def _append(drafts: Sequence[_Draft]) -> None:
    # Chains in one order, so that two blocks never each wait for the other.
    for number in sorted({draft.chain for draft in drafts}):
        _append_to(number, [draft for draft in drafts if draft.chain == number])


def _append_to(number: int, drafts: Sequence[_Draft]) -> None:
    head = AuditChain.objects.select_for_update().get(pk=number)
    events = []
    for draft in drafts:
        event = AuditEvent(
            chain=number,
            seq=head.seq + 1,
            prev_hash=head.head,
            at=timezone.now(),
            **draft.columns,
        )
        event.hash = event.computed_hash()
        event.mac = mac_of(mac_key(), event.hash)
        head.seq, head.head = event.seq, event.hash
        events.append(event)
    AuditEvent.objects.bulk_create(events)
    AuditDetail.objects.bulk_create(
        AuditDetail(event=event, salt=draft.salt, body=draft.body)
        for event, draft in zip(events, drafts, strict=True)
        if draft.body
    )
    AuditChain.objects.filter(pk=number).update(seq=head.seq, head=head.head)
