"""Inviting people, changing what they may do, disabling them; each with its event."""

from dataclasses import dataclass
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts import audit, sessions
from accounts.models import User


class LockoutError(Exception):
    """The change would lock everybody, or the one who asks, out; its text says so to a person."""


@dataclass(frozen=True)
class Rights:
    """What an administrator decides about a person."""

    role: str
    is_auditor: bool

    @classmethod
    def of(cls, person: User) -> "Rights":
        return cls(person.role, person.is_auditor)

    def to_json(self) -> dict[str, Any]:
        return {"role": self.role, "is_auditor": self.is_auditor}

    def unlike(self, other: "Rights") -> dict[str, Any]:
        """Those that differ."""
        theirs = other.to_json()
        return {name: value for name, value in self.to_json().items() if value != theirs[name]}


def invite(
    *, by: User | None, email: str, name: str = "", rights: Rights | None = None
) -> tuple[User, str]:
    """A person without a password, and the path of a link with which they choose one, once.

    Raises:
        ValidationError: the address is none, or somebody has it.
    """
    given = rights or Rights(User.Role.JOURNALIST, is_auditor=False)
    with transaction.atomic():
        person = User.objects.create_user(email, name=name, **given.to_json())
        _vouch_for(person)
        audit.record(
            "user.created",
            actor=by,
            target=person,
            owner=person,
            after={**given.to_json(), "is_active": True},
            detail={"email": person.email, "name": person.name},
        )
    return person, password_link(by=by, person=person)


def password_link(*, by: User | None, person: User) -> str:
    """The path of a link with which a person sets a password, once and for a few days."""
    where = {
        "uidb36": user_pk_to_url_str(person),
        "key": default_token_generator.make_token(person),
    }
    with transaction.atomic():
        audit.record("user.password_link_made", actor=by, target=person, owner=person)
    return reverse("account_reset_password_from_key", kwargs=where)


def change_rights(*, by: User, person: User, name: str, rights: Rights, email: str = "") -> bool:
    """Change a person's name, address, role and view of the trail; False where nothing changes.

    Args:
        email: the new address; empty leaves the old one.
    Raises:
        ValidationError: the address is none, or somebody has it.
        LockoutError: nobody takes their own administration, or the last one's.
    """
    with transaction.atomic():
        now = User.objects.get(pk=person.pk)
        if now.role == User.Role.ADMIN != rights.role:
            refuse_lockout(by, now)
        now = User.objects.select_for_update().get(pk=person.pk)
        before, old = Rights.of(now), {"name": now.name, "email": now.email}
        new = {"name": name, "email": email.strip().lower() or now.email}
        if now.is_erased or (before, old) == (rights, new):
            return False
        now.name, now.role, now.is_auditor = name, rights.role, rights.is_auditor
        now.email = new["email"]
        now.full_clean(exclude=["password"])
        now.save(update_fields=["name", "email", "role", "is_auditor"])
        if new["email"] != old["email"]:
            _vouch_for(now)
        told: dict[str, str] = {}
        for key in (key for key in old if old[key] != new[key]):
            told |= {f"old_{key}": old[key], key: new[key]}
        audit.record(
            "user.changed",
            actor=by,
            target=now,
            owner=now,
            before=before.unlike(rights),
            after=rights.unlike(before),
            detail=told or None,
        )
    return True


def disable(*, by: User, person: User) -> bool:
    """Shut a person out at once: pages, API keys and links; False where they are already.

    Raises:
        LockoutError: nobody disables themselves, or the last administrator.
    """
    with transaction.atomic():
        refuse_lockout(by, person)
        now = User.objects.select_for_update().get(pk=person.pk)
        if not now.is_active:
            return False
        if now.is_invited:
            now.set_unusable_password()  # another of those, so that no link made before works
            now.save(update_fields=["password"])
        sessions.end_sessions(now, by=by)
        _set_active(by, now, is_active=False)
    return True


def reactivate(*, by: User, person: User) -> bool:
    """Let a disabled person in again; their keys work again where they have not ended."""
    with transaction.atomic():
        now = User.objects.select_for_update().get(pk=person.pk)
        if now.is_active or now.is_erased:
            return False
        _set_active(by, now, is_active=True)
    return True


def _vouch_for(person: User) -> None:
    """An administrator says whose address it is: that is as good as a confirmation."""
    EmailAddress.objects.filter(user=person).delete()
    EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=True)


def _set_active(by: User, person: User, *, is_active: bool) -> None:
    person.is_active = is_active
    person.save(update_fields=["is_active"])
    audit.record(
        "user.reactivated" if is_active else "user.disabled",
        actor=by,
        target=person,
        owner=person,
        before={"is_active": not is_active},
        after={"is_active": is_active},
    )


def refuse_lockout(by: User | None, person: User) -> None:
    """Locks all active administrators, in one order: two who shut each other out must wait.

    Raises:
        LockoutError: it is oneself, or the last administrator.
    """
    admins = User.objects.filter(role=User.Role.ADMIN, is_active=True).order_by("pk")
    ids = set(admins.select_for_update().values_list("pk", flat=True))
    if by is not None and person.pk == by.pk:
        raise LockoutError(_("You cannot take your own rights; another administrator can."))
    if ids == {person.pk}:
        raise LockoutError(_("Somebody has to manage people: this is the last administrator."))
