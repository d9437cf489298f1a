"""record(): the one door to the audit trail."""

import secrets
from collections.abc import Mapping
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
) -> AuditEvent:
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
    if not connection.in_atomic_block:
        raise RuntimeError(f"{action}: an audit event belongs into its action's transaction")
    context = context_var.get()
    about = dict(detail or {})
    if context.address:
        about["address"] = context.address
    salt, body = (secrets.token_hex(32), canonical(about)) if about else ("", "")
    head = AuditChain.objects.select_for_update().get(
        pk=chain_of(owner.pk if owner is not None else None)
    )
    event = AuditEvent(
        chain=head.number,
        seq=head.seq + 1,
        prev_hash=head.head,
        at=timezone.now(),
        action=action,
        actor_id=actor.pk if actor else None,
        actor_role=actor.role if actor else "",
        key_prefix=context.key_prefix,
        target_type=target._meta.model_name or "",
        target_id=str(target.pk),
        target_sha256=target_sha256,
        change=canonical({"before": before or {}, "after": after or {}}),
        request_id=context.request_id,
        detail_commitment=commitment(salt, body) if about else "",
    )
    event.hash = event.computed_hash()
    event.mac = mac_of(mac_key(), event.hash)
    event.save(force_insert=True)
    if about:
        AuditDetail.objects.create(event=event, salt=salt, body=body)
    AuditChain.objects.filter(pk=head.pk).update(seq=event.seq, head=event.hash)
    return event
