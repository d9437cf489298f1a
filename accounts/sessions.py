"""How long a session lasts, and the ways to end one before that."""

import time
from collections.abc import Collection

from allauth.account import signals as account
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from accounts import audit
from accounts.models import User

BEGUN, SEEN, PRIVILEGES = "begun_at", "seen_at", "privileges"
# Why the last session ended, kept in the anonymous one that follows for the sign-in page to say.
ENDED = "ended_because"
IDLE, OLD = "idle", "old"
# A session that is noted as active once in this time may end so much earlier than it should.
NOTED_EVERY_S = 60


def connect() -> None:
    """Listen."""
    user_logged_in.connect(_begin, dispatch_uid="sessions")
    account.authentication_step_completed.connect(_reauthenticated, dispatch_uid="sessions")


def end_sessions(user: User, *, keep: str | None = None, by: User | None = None) -> int:
    """Sign somebody out everywhere, at once; how many sessions that were.

    Reads every session there is, so that none is missed.

    Args:
        keep: the key of a session that goes on.
        by: who asked for it; None for the desk itself.
    """
    with transaction.atomic():
        return _end(user, [key for key in _keys_of(user) if key != keep], by=by)


def end_these(sessions: Collection[UserSession], *, by: User) -> int:
    """End some sessions of one person; how many of them were still going on."""
    with transaction.atomic():
        return sum(_end(one.user, [one.session_key], by=by) for one in sessions)


def why_over(session: SessionBase) -> str:
    """`idle` or `old` for a session past its limits; empty for one that goes on."""
    now = time.time()
    if now - session.get(BEGUN, now) >= settings.SESSION_LIFE.total_seconds():
        return OLD
    if now - session.get(SEEN, now) >= settings.SESSION_IDLE.total_seconds():
        return IDLE
    return ""


def time_out(request: HttpRequest, user: User, why: str) -> None:
    """End the request's session; what follows happens as nobody, and the sign-in page says why."""
    with transaction.atomic():
        _end(user, [request.session.session_key or ""], by=None, why=why)
    request.session.flush()
    request.session[ENDED] = why
    request.user = AnonymousUser()


def note(request: HttpRequest, user: User, *, is_background: bool) -> None:
    """Remember that somebody was here, and give a session whose person's rights changed a new id.

    Args:
        is_background: whether a script asked and not the person; that is no activity.
    """
    session, now = request.session, time.time()
    session.setdefault(BEGUN, now)
    privileges = _privileges(user)
    if session.setdefault(PRIVILEGES, privileges) != privileges:
        session[PRIVILEGES] = privileges
        renew(request)
    if SEEN not in session or (not is_background and now - session[SEEN] >= NOTED_EVERY_S):
        session[SEEN] = now
        UserSession.objects.create_from_request(request)


def renew(request: HttpRequest) -> None:
    """The same session under a new id; the old id is worth nothing from now on."""
    old = request.session.session_key
    with transaction.atomic():
        request.session.cycle_key()
        UserSession.objects.filter(session_key=old).update(session_key=request.session.session_key)


def _begin(sender: object, request: HttpRequest, user: User, **_: object) -> None:
    """The limits count from the sign-in, whatever the anonymous session before it had."""
    session = request.session
    session[BEGUN] = session[SEEN] = time.time()
    session[PRIVILEGES] = _privileges(user)
    session.pop(ENDED, None)


def _reauthenticated(sender: object, request: HttpRequest, **more: object) -> None:
    if more.get("reauthenticated"):
        renew(request)


def _end(user: User, keys: Collection[str], *, by: User | None, why: str = "ended") -> int:
    ended, _rows = Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(user=user, session_key__in=keys).delete()
    if ended:
        audit.record(
            "user.sessions_ended",
            actor=by,
            target=user,
            owner=user,
            after={"sessions": ended, "why": why},
        )
    return ended


def _privileges(user: User) -> str:
    return f"{user.role} {user.is_auditor}"


def _keys_of(user: User) -> list[str]:
    going_on = Session.objects.filter(expire_date__gt=timezone.now())
    return [
        session.session_key
        for session in going_on.iterator()
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
