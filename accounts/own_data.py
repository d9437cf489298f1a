"""Everything this installation keeps about one person, as a ZIP they may take with them."""

import json
import zipfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEvent, User

Rows = Iterable[dict[str, Any]]


@dataclass(frozen=True)
class Original:
    """A file that goes along, and the object whose bytes it holds; `local` is where, meanwhile."""

    name: str
    local: Callable[[], AbstractContextManager[Path]]
    target: models.Model
    sha256: str


@dataclass(frozen=True)
class Part:
    """What another app keeps about a person.

    Attributes:
        rows: of the JSON file that bears the part's name.
        originals: files that go along; that somebody had them is recorded.
    """

    rows: Callable[[User], Rows]
    originals: Callable[[User], Iterable[Original]] = lambda person: ()


_parts: dict[str, Part] = {}
# Others are in it, or in what one looked for.
ABOUT_OTHERS = {"audit.exported"}
# A transaction holds the chain that the person's other events wait for.
RECORDED_AT_ONCE = 200
README = """This is what the verification desk keeps about you.

account.json   your account, its rights and its settings
api_keys.json  your API keys, without the keys themselves: only a digest of them is kept
sessions.json  where you are signed in
second_factors.json  which you set up, without their secrets
events.json    what the audit trail says you did, and what was done to your account
"""


def register_part(name: str, part: Part) -> None:
    """Have an app's part in the download."""
    _parts[name] = part


def write_own_data(person: User, file: IO[bytes]) -> None:
    """Write the ZIP, then record that it was made: nobody may have it before that."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        more = "".join(f"{name}.json\n" for name in sorted(_parts))
        archive.writestr("README.txt", README + more)
        _write(archive, "account", [_account(person)])
        _write(archive, "api_keys", (_key(key) for key in person.api_keys.all()))
        sessions = UserSession.objects.filter(user=person).order_by("pk")
        _write(
            archive, "sessions", sessions.values("ip", "user_agent", "created_at", "last_seen_at")
        )
        factors = Authenticator.objects.filter(user=person).order_by("pk")  # never their secrets
        _write(archive, "second_factors", factors.values("type", "created_at", "last_used_at"))
        _write(archive, "events", _events(person))
        counted, looked = {}, []
        for name, part in sorted(_parts.items()):
            counted[name] = _write(archive, name, part.rows(person))
            looked += [one for one in part.originals(person) if _wrote(archive, one)]
    for start in range(0, len(looked), RECORDED_AT_ONCE):
        with transaction.atomic():
            for one in looked[start : start + RECORDED_AT_ONCE]:
                audit.record(
                    "image.downloaded",
                    actor=person,
                    target=one.target,
                    owner=person,
                    target_sha256=one.sha256,
                )
    with transaction.atomic():
        audit.record(
            "user.data_downloaded", actor=person, target=person, owner=person, after=counted
        )


def _wrote(archive: zipfile.ZipFile, one: Original) -> bool:
    """Whether the original went along: it may have been erased a moment ago."""
    try:
        with one.local() as path:
            archive.write(path, one.name, compress_type=zipfile.ZIP_STORED)
    except FileNotFoundError:
        return False
    return True


def _write(archive: zipfile.ZipFile, name: str, rows: Rows) -> int:
    """One JSON array, row by row; gives their number."""
    at = 0
    with archive.open(f"{name}.json", "w", force_zip64=True) as stream:
        stream.write(b"[")
        for at, row in enumerate(rows, start=1):
            text = json.dumps(row, ensure_ascii=False, default=str)
            stream.write((",\n" if at > 1 else "\n").encode() + text.encode())
        stream.write(b"\n]\n")
    return at


def _account(person: User) -> dict[str, Any]:
    names = ("email", "name", "role", "is_auditor", "language", "time_zone", "theme", "wants_mail")
    times = ("created_at", "last_login")
    return {
        "id": person.pk,
        **{name: getattr(person, name) for name in names},
        **{name: _iso(getattr(person, name)) for name in times},
        "downloaded_at": _iso(timezone.now()),
    }


def _key(key: Any) -> dict[str, Any]:
    names = ("name", "prefix", "scopes", "networks")
    times = ("created_at", "expires_at", "last_used_at", "revoked_at")
    return {
        **{name: getattr(key, name) for name in names},
        **{name: _iso(getattr(key, name)) for name in times},
    }


def _events(person: User) -> Rows:
    """Text about persons only of what one did to one's own: others' names and addresses stay."""
    about = Q(actor_id=person.pk) | Q(target_type="user", target_id=str(person.pk))
    rows = AuditEvent.objects.filter(about).select_related("detail").order_by("id")
    for event in rows.iterator(chunk_size=500):
        is_own = event.actor_id == person.pk and event.action not in ABOUT_OTHERS
        if event.target_type == "user" and event.target_id != str(person.pk):
            is_own = False
        detail = getattr(event, "detail", None) if is_own else None
        yield {
            "at": _iso(event.at),
            "action": event.action,
            "by_you": event.actor_id == person.pk,
            "object": f"{event.target_type}/{event.target_id}",
            "sha256": event.target_sha256,
            "change": json.loads(event.change),
            "detail": json.loads(detail.body) if detail else {},
        }


def _iso(at: Any) -> str:
    return at.isoformat() if at else ""
