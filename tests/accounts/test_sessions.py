"""Sessions: listed, ended on the server, limited in idleness and age, renewed with rights."""

import json
import re
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings as current
from django.contrib.sessions.models import Session
from django.test import Client

from accounts import audit, sessions
from accounts.models import AuditEvent, User
from tests.accounts.factors import confirm, enter_password, is_signed_in

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time by which sessions are limited; it goes on when a test says so."""
    clock = SimpleNamespace(now=sessions.time.time())
    monkeypatch.setattr(sessions, "time", SimpleNamespace(time=lambda: clock.now))
    return clock


@pytest.fixture
def signed_in(alice: User) -> Callable[..., Client]:
    """A browser in which Alice signed in by the form."""

    def start(**options: str) -> Client:
        client = Client(**options)
        assert enter_password(client, alice).status_code == 302
        return client

    return start


def _ended() -> list[tuple[int | None, dict]]:
    rows = AuditEvent.objects.filter(action="user.sessions_ended").order_by("id")
    return [(row.actor_id, json.loads(row.change)["after"]) for row in rows]


def _replayed(client: Client) -> Client:
    """Another browser with the same cookie."""
    copy = Client()
    copy.cookies[current.SESSION_COOKIE_NAME] = client.cookies[current.SESSION_COOKIE_NAME].value
    return copy


# --- the list


def test_ones_sessions_are_listed_with_browser_and_address(signed_in):
    signed_in(HTTP_USER_AGENT=FIREFOX, REMOTE_ADDR="192.0.2.7")
    html = signed_in(HTTP_USER_AGENT="curl/8.0").get("/accounts/sessions/").content.decode()
    assert "Firefox, Linux" in html
    assert "192.0.2.7" in html
    assert "curl/8.0" in html
    assert html.count("this one") == 1


def test_others_sessions_are_not_listed(bob, signed_in, client_of):
    signed_in(HTTP_USER_AGENT=FIREFOX)
    html = client_of(bob).get("/accounts/sessions/").content.decode()
    assert "Firefox" not in html


def test_an_address_that_is_none_ends_no_sign_in(signed_in, settings):
    settings.TRUSTED_PROXIES = 1
    client = signed_in(HTTP_X_FORWARDED_FOR="unknown")
    assert "0.0.0.0" in client.get("/accounts/sessions/").content.decode()


# --- ended


def test_one_session_is_ended_on_the_server(signed_in, alice):
    lost, mine = signed_in(), signed_in()
    session = UserSession.objects.get(session_key=lost.session.session_key)
    mine.post(f"/accounts/sessions/{session.pk}/end")
    assert (is_signed_in(_replayed(lost)), is_signed_in(mine)) == (False, True)
    assert _ended() == [(alice.pk, {"sessions": 1, "why": "ended"})]


def test_all_others_are_ended_on_the_server(signed_in):
    lost, mine = [signed_in(), signed_in()], signed_in()
    mine.post("/accounts/sessions/")
    assert [is_signed_in(_replayed(client)) for client in lost] == [False, False]
    assert is_signed_in(mine)
    assert len(_ended()) == 2


def test_a_sign_out_is_one_on_the_server(signed_in):
    client = signed_in()
    copy = _replayed(client)
    client.post("/accounts/logout/")
    assert not is_signed_in(copy)


def test_others_sessions_do_not_exist(signed_in, bob, client_of):
    client = signed_in()
    session = UserSession.objects.get(session_key=client.session.session_key)
    assert client_of(bob).post(f"/accounts/sessions/{session.pk}/end").status_code == 404
    assert is_signed_in(client)


def test_ones_own_session_ends_by_signing_out(signed_in):
    client = signed_in()
    session = UserSession.objects.get(session_key=client.session.session_key)
    answer = client.post(f"/accounts/sessions/{session.pk}/end")
    assert answer.headers["Location"] == "/accounts/logout/"


def test_a_person_is_signed_out_everywhere_but_where_it_is_said(alice, dora, bob, client_of):
    kept, lost, of_bob = client_of(alice), client_of(alice), client_of(bob)
    ended = sessions.end_sessions(alice, keep=kept.session.session_key, by=dora)
    assert ended == 1
    assert [is_signed_in(one) for one in (kept, lost, of_bob)] == [True, False, True]
    assert sessions.end_sessions(alice) == 1
    assert not is_signed_in(kept)
    assert sessions.end_sessions(alice) == 0
    assert [actor for actor, _ in _ended()] == [dora.pk, None]


def test_no_session_is_ended_without_its_event(alice, client_of, monkeypatch):
    client = client_of(alice)

    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audit, "record", full)
    with pytest.raises(OSError, match="No space"):
        sessions.end_sessions(alice)
    assert is_signed_in(client)


# --- limits


def test_an_idle_session_ends_and_the_sign_in_page_says_why(signed_in, clock, alice):
    client = signed_in()
    clock.now += 29 * 60
    assert is_signed_in(client)
    clock.now += 31 * 60
    copy = _replayed(client)
    answer = client.get("/history")
    assert answer.headers["Location"] == "/accounts/login/?next=/history"
    page = client.get("/accounts/login/?next=/history").content.decode()
    assert "nothing was done here for a while" in page
    assert 'name="next" value="/history"' in page
    assert not is_signed_in(copy)
    assert _ended() == [(None, {"sessions": 1, "why": "idle"})]
    assert enter_password(client, alice, next="/history").headers["Location"] == "/history"
    assert sessions.ENDED not in client.session


def test_activity_keeps_a_session_until_it_is_too_old(signed_in, clock):
    client = signed_in()
    for _ in range(71):
        clock.now += 10 * 60
        assert is_signed_in(client)
    clock.now += 10 * 60
    assert not is_signed_in(client)
    assert "lasts only so long" in client.get("/accounts/login/").content.decode()
    assert _ended() == [(None, {"sessions": 1, "why": "old"})]


def test_what_a_script_asks_is_no_activity(signed_in, clock):
    client = signed_in()
    for _ in range(3):
        clock.now += 9 * 60
        assert client.get("/history", headers={"X-Background": "1"}).status_code == 200
    clock.now += 4 * 60
    client.get("/history", headers={"X-Background": "1"})
    assert not is_signed_in(client)


def test_the_api_ends_an_idle_session_too(signed_in, clock):
    client = signed_in()
    clock.now += 31 * 60
    assert client.get("/api/v1/detections").status_code == 401
    assert not is_signed_in(client)


def test_activity_is_noted_once_a_minute(signed_in, clock):
    client = signed_in()
    noted = []
    for _ in range(5):
        clock.now += 25
        is_signed_in(client)
        noted.append(client.session[sessions.SEEN])
    assert len(set(noted)) == 2
    seen = UserSession.objects.get(session_key=client.session.session_key)
    assert seen.last_seen_at > seen.created_at


def test_the_limits_follow_the_settings(signed_in, clock, settings):
    settings.SESSION_IDLE = 10 * settings.SESSION_IDLE
    client = signed_in()
    clock.now += 299 * 60
    assert is_signed_in(client)


def test_a_session_from_before_the_limits_goes_on(alice, client_of, clock):
    client = client_of(alice)
    store = import_module(current.SESSION_ENGINE).SessionStore(client.session.session_key)
    for name in (sessions.BEGUN, sessions.SEEN, sessions.PRIVILEGES):
        del store[name]
    store.save()
    assert is_signed_in(client)
    assert client.session[sessions.BEGUN] == clock.now
    assert UserSession.objects.filter(session_key=client.session.session_key).exists()


# --- new ids


def _key(client: Client) -> str:
    return client.cookies[current.SESSION_COOKIE_NAME].value


def test_the_id_changes_at_sign_in(alice):
    client = Client()
    client.get("/accounts/reauthenticate/")
    client.post("/accounts/2fa/totp/activate/")  # kept for after the sign-in, in a session
    before = _key(client)
    enter_password(client, alice)
    assert _key(client) != before
    assert not Session.objects.filter(session_key=before).exists()


def test_the_id_changes_with_ones_rights(signed_in, alice):
    client = signed_in()
    before = _key(client)
    User.objects.filter(pk=alice.pk).update(role=User.Role.MODERATOR)
    assert is_signed_in(client)
    assert _key(client) != before
    assert not Session.objects.filter(session_key=before).exists()
    assert UserSession.objects.get().session_key == _key(client)
    after = _key(client)
    assert is_signed_in(client)
    assert _key(client) == after


def test_the_id_changes_when_somebody_confirms_that_it_is_them(signed_in):
    client = signed_in()
    before = _key(client)
    confirm(client)
    assert _key(client) != before
    assert not Session.objects.filter(session_key=before).exists()
    assert UserSession.objects.get().session_key == _key(client)


def test_pages_that_ask_on_their_own_say_so():
    script = (current.BASE_DIR / "static/js/card.js").read_text()
    calls = re.findall(r"fetch\(.*", script)
    assert calls
    assert all('"X-Background": "1"' in call for call in calls if "await fetch(" in call)
