"""Forgetting a person: the account loses its name, and the record keeps a number."""

import json
from collections.abc import Callable
from urllib.parse import quote_plus

from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import audit
from accounts.models import ApiKey, ApiKeyUse, AuditDetail, User
from accounts.models.audit_event import canonical
from accounts.models.user import ERASED_DOMAIN
from accounts.people import refuse_lockout
from accounts.sessions import end_sessions

KEPT_APART = {"accounts", "detection", "mfa", "usersessions"}
# What is still to be recorded of what an app changed, given who erased the person.
Events = Callable[[User | None], object]
_elsewhere: list[Callable[[User], Events | None]] = []
_addressed: list[Callable[[set[str]], None]] = []
# Where the texts of events give a person's name.
NAME_KEYS = ("name", "old_name")


def register_part(forget: Callable[[User], Events | None]) -> None:
    """Have an app forget its part of a person, in the same transaction.

    It records no event there: it returns what records them, to be called after all rows.
    """
    _elsewhere.append(forget)


def register_addresses(forget: Callable[[set[str]], None]) -> None:
    """Have an app forget where others wrote a person's addresses, in the same transaction."""
    _addressed.append(forget)


def erase_person(*, by: User | None, person: User, reason: str) -> bool:
    """Make an account nobody's for good; False where that was done before.

    Gone are address, name, password, sessions, second factors, names and networks of keys, the
    texts about the person in the audit trail, and what other apps keep. What they did stays under
    their number. Their images are theirs still: `detection.services.erasure` erases those.

    Args:
        by: an administrator; None on the command line.
    Raises:
        LockoutError: nobody erases themselves, or the last administrator.
    """
    with transaction.atomic():
        refuse_lockout(by, person)
        row = User.objects.select_for_update().get(pk=person.pk)
        if row.is_erased:
            return False
        address, name = row.email, row.name
        row.email, row.name = f"erased-{row.pk}@{ERASED_DOMAIN}", f"erased-{row.pk}"
        row.role, row.is_auditor, row.is_active = User.Role.JOURNALIST, False, False
        row.set_unusable_password()
        row.save()
        _empty_keys(row)
        _delete_rows_of_libraries(row)
        events = [forget(row) for forget in _elsewhere]
        addresses = {address, *_former_addresses(row)}
        for forget_addresses in _addressed:
            forget_addresses(addresses)
        _delete_texts(row, addresses, name)
        end_sessions(row, by=by)  # from here on events are recorded: no row is locked after them
        Authenticator.objects.filter(user=row).delete()
        for record in filter(None, events):
            record(by)
        audit.record("user.erased", actor=by, target=row, owner=row, detail={"reason": reason})
    return True


def _empty_keys(person: User) -> None:
    keys = ApiKey.objects.filter(owner=person)
    ApiKeyUse.objects.filter(key__in=keys).delete()
    keys.filter(revoked_at=None).update(revoked_at=timezone.now())
    keys.update(name="erased", networks=[], digest="")


def _delete_rows_of_libraries(person: User) -> None:
    """Addresses, linked sign-ins: whatever a library keeps about a person, but second factors."""
    for relation in User._meta.related_objects:
        model = relation.related_model
        if not relation.many_to_many and model._meta.app_label not in KEPT_APART:
            model._default_manager.filter(**{relation.field.name: person}).delete()
    about = ContentType.objects.get_for_model(User)
    LogEntry.objects.filter(content_type=about, object_id=str(person.pk)).delete()


def _delete_texts(person: User, addresses: set[str], name: str) -> None:
    """Texts of events about the person or by them, and others that give their address or name.

    A name of one word is looked for as a whole value alone: it may be part of words that are about
    somebody else, and what is deleted cannot be brought back.
    """
    theirs = Q(event__actor_id=person.pk) | Q(
        event__target_type="user", event__target_id=str(person.pk)
    )
    for one in addresses:
        theirs |= Q(body__icontains=canonical(one)[1:-1]) | Q(body__icontains=quote_plus(one))
    if len(name.split()) > 1:
        theirs |= Q(body__icontains=canonical(name)[1:-1])
    for key in NAME_KEYS if name else ():
        theirs |= Q(body__icontains=canonical({key: name})[1:-1])
    AuditDetail.objects.filter(theirs).delete()


def _former_addresses(person: User) -> set[str]:
    """Addresses that the account had before: events about it say so."""
    bodies = AuditDetail.objects.filter(
        event__target_type="user", event__target_id=str(person.pk), body__contains='"old_email":'
    ).values_list("body", flat=True)
    return {str(json.loads(body)["old_email"]) for body in bodies}
