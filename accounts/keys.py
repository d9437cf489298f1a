"""Making, ending and rotating API keys; each is an event in the same transaction."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import ApiKey, ApiKeyUse, User

# How long a key goes on after it was rotated, so that a pipeline need not stop for it.
ROTATION_PERIOD = timedelta(hours=24)


def issue_key(
    *,
    by: User | None,
    owner: User,
    name: str,
    scopes: list[str],
    expires_at: datetime | None = None,
    networks: list[str] | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its plaintext, which is kept nowhere.

    Args:
        by: who asked for it; None on the command line.
    Raises:
        ValidationError: an unknown scope, no network, a name that is too long.
    """
    with transaction.atomic():
        key, plaintext = ApiKey.objects.issue(
            owner=owner, name=name, scopes=scopes, expires_at=expires_at, networks=networks
        )
        audit.record(
            "api_key.created",
            actor=by,
            target=key,
            owner=owner,
            after=_terms(key),
            detail=_networks(key),
        )
    return key, plaintext


def revoke_key(*, by: User, key: ApiKey) -> bool:
    """End a key now, for good; False where it was revoked before."""
    with transaction.atomic():
        now = timezone.now()
        if not ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
            return False
        audit.record(
            "api_key.revoked",
            actor=by,
            target=key,
            owner=key.owner,
            after={"prefix": key.prefix, "revoked_at": now.isoformat()},
        )
    return True


def rotate_key(*, by: User, key: ApiKey) -> tuple[ApiKey, str] | None:
    """A new key on the old one's terms; the old one goes on for `ROTATION_PERIOD` at most.

    None where the key cannot be used any more: what has ended is not brought back.
    """
    with transaction.atomic():
        old = ApiKey.objects.usable().select_for_update(of=("self",)).filter(pk=key.pk).first()
        if old is None:
            return None
        lasts = old.expires_at - old.created_at if old.expires_at else None
        new, plaintext = ApiKey.objects.issue(
            owner=old.owner,
            name=old.name,
            scopes=old.scopes,
            expires_at=timezone.now() + lasts if lasts else None,
            networks=old.networks,
        )
        before = {"prefix": old.prefix, "expires_at": _iso(old.expires_at)}
        end = timezone.now() + ROTATION_PERIOD
        old.expires_at = min(old.expires_at, end) if old.expires_at else end
        old.save(update_fields=["expires_at"])
        audit.record(
            "api_key.rotated",
            actor=by,
            target=new,
            owner=old.owner,
            before=before,
            after={**_terms(new), "old_expires_at": _iso(old.expires_at)},
            detail=_networks(new),
        )
    return new, plaintext


def record_first_use(key: ApiKey, address: str) -> bool:
    """Record that a key came from this network for the first time this day (UTC)."""
    today, network = timezone.now().date(), ApiKey.network_of(address)
    use: dict[str, Any] = {"key": key, "network": network, "day": today}
    if ApiKeyUse.objects.filter(**use).exists():
        return False
    with transaction.atomic():
        _use, is_first = ApiKeyUse.objects.get_or_create(**use)
        if is_first:
            ApiKeyUse.objects.filter(key=key, day__lt=today).delete()
            audit.record(
                "api_key.used",
                actor=key.owner,
                target=key,
                owner=key.owner,
                after={"prefix": key.prefix, "day": today.isoformat()},
                detail={"network": network},
            )
    return is_first


def _terms(key: ApiKey) -> dict[str, Any]:
    return {
        "prefix": key.prefix,
        "scopes": key.scopes,
        "expires_at": _iso(key.expires_at),
    }


def _networks(key: ApiKey) -> dict[str, Any]:
    """Where a person works is text about them."""
    return {"networks": key.networks} if key.networks else {}


def _iso(at: datetime | None) -> str:
    return at.isoformat() if at else ""
