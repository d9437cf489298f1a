"""Coming, going and failing to come in, as events of the audit trail."""

from typing import Any

from allauth.account import signals as account
from django.contrib.auth import signals as auth
from django.db import transaction

from accounts import audit
from accounts.models import AuditChain, User
from accounts.models.audit_event import SYSTEM_CHAIN

MAX_TYPED = 254


def connect() -> None:
    """Listen. allauth's own signals are those of people at its forms."""
    account.user_logged_in.connect(_signed_in, dispatch_uid="audit")
    auth.user_logged_out.connect(_signed_out, dispatch_uid="audit")
    auth.user_login_failed.connect(_failed, dispatch_uid="audit")


def _signed_in(sender: object, user: User, **_: Any) -> None:
    _record("user.signed_in", user)


def _signed_out(sender: object, user: User | None, **_: Any) -> None:
    if user is not None:
        _record("user.signed_out", user)


def _failed(sender: object, credentials: dict[str, Any], **_: Any) -> None:
    record_failure(str(credentials.get("email") or credentials.get("username") or ""))


def record_failure(typed: str) -> None:
    """Somebody who exists is named as the object, never as the one who tried."""
    typed = typed[:MAX_TYPED]
    person = User.objects.filter(email__iexact=typed).first() if typed else None
    with transaction.atomic():
        audit.record(
            "user.sign_in_failed",
            actor=None,
            target=person or AuditChain(number=SYSTEM_CHAIN),
            owner=person,
            detail={"typed": typed},
        )


def _record(action: str, user: User) -> None:
    with transaction.atomic():
        audit.record(action, actor=user, target=user, owner=user)
