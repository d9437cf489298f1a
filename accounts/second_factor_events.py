"""Second factors that come, go and are used, as events of the audit trail.

allauth's own signals of what was added come after the commit; these are the rows' own, and the
views run in transactions, so that no factor is saved or removed without its event.
"""

from typing import Any

from allauth.core import context
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from accounts import audit
from accounts.models import User

CODES = Authenticator.Type.RECOVERY_CODES


def connect() -> None:
    """Listen."""
    post_save.connect(_saved, sender=Authenticator, dispatch_uid="audit")
    post_delete.connect(_deleted, sender=Authenticator, dispatch_uid="audit")
    mfa.authenticator_used.connect(_used, dispatch_uid="audit")
    mfa.authentication_failed.connect(_failed, dispatch_uid="audit")


def _saved(sender: object, instance: Authenticator, created: bool, **_: Any) -> None:
    if created:
        is_codes = instance.type == CODES
        _record("recovery_codes.made" if is_codes else "second_factor.added", instance)


def _deleted(sender: object, instance: Authenticator, **_: Any) -> None:
    is_codes = instance.type == CODES
    _record("recovery_codes.removed" if is_codes else "second_factor.removed", instance)


def _used(sender: object, authenticator: Authenticator, **_: Any) -> None:
    """Sign-ins are events of their own; a recovery code is fewer left."""
    if authenticator.type == CODES:
        _record("recovery_code.used", authenticator, by=authenticator.user)


def _failed(sender: object, authenticator: Authenticator, **_: Any) -> None:
    """As with passwords, nobody is named as the one who tried."""
    with transaction.atomic():
        person = _locked(authenticator)
        audit.record("second_factor.failed", actor=None, target=person, owner=person)


def _record(action: str, authenticator: Authenticator, by: User | None = None) -> None:
    """By whoever is signed in, or by the desk itself on the command line."""
    signed_in = getattr(context.request, "user", None)
    if by is None and isinstance(signed_in, User):
        by = signed_in
    with transaction.atomic():
        person = _locked(authenticator)
        audit.record(
            action, actor=by, target=person, owner=person, after={"type": authenticator.type}
        )


def _locked(authenticator: Authenticator) -> User:
    """The person, locked before their chain, as by whoever disables them at the same time."""
    return User.objects.select_for_update().get(pk=authenticator.user_id)
