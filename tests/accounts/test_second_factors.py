"""Second factors: set up, asked for, used once, guessed a few times, recorded."""

import json
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from allauth.core.internal import ratelimit
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.webauthn.internal import auth as webauthn
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from accounts import audit
from accounts.models import AuditEvent, User
from tests.accounts.factors import (
    SECRET,
    app_of,
    code_now,
    codes_of,
    confirm,
    enter_code,
    enter_password,
    is_signed_in,
)
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
Type = Authenticator.Type
ACTIVATE, DEACTIVATE = "/accounts/2fa/totp/activate/", "/accounts/2fa/totp/deactivate/"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time by which codes are made and guesses counted; it stands still."""
    clock = SimpleNamespace(now=1_800_000_000.0)
    frozen = SimpleNamespace(
        time=lambda: clock.now, monotonic=ratelimit.time.monotonic, sleep=ratelimit.time.sleep
    )
    monkeypatch.setattr(totp, "time", frozen)
    monkeypatch.setattr(ratelimit, "time", frozen)
    return clock


@pytest.fixture
def browser(alice: User, client_of: Callable[[User], Client]) -> Client:
    """Signed in, and confirmed a moment ago."""
    client = client_of(alice)
    confirm(client)
    return client


def _events(prefix: str = "") -> list[str]:
    rows = AuditEvent.objects.filter(action__startswith=prefix).order_by("id")
    return list(rows.values_list("action", flat=True))


def _set_up(client: Client) -> str:
    """Set an app up as a person does; the secret."""
    page = client.get(ACTIVATE).content.decode()
    (secret,) = re.findall(r'<code class="key" dir="ltr">(\w+)</code>', page)
    assert client.post(ACTIVATE, {"code": code_now(secret)}).status_code == 302
    return secret


def _fail_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audit, "record", full)


# --- setting one up


def test_an_app_is_set_up_with_its_recovery_codes(browser, alice):
    _set_up(browser)
    kinds = set(Authenticator.objects.filter(user=alice).values_list("type", flat=True))
    assert kinds == {Type.TOTP, Type.RECOVERY_CODES}
    assert {"second_factor.added", "recovery_codes.made"} <= set(_events())
    event = AuditEvent.objects.get(action="second_factor.added")
    assert (event.actor_id, event.target_id) == (alice.pk, str(alice.pk))
    assert json.loads(event.change)["after"] == {"type": "totp"}


def test_no_secret_lies_in_the_database_in_the_clear(browser, alice):
    secret = _set_up(browser)
    codes = Authenticator.objects.get(user=alice, type=Type.RECOVERY_CODES)
    seed = codes.wrap().generate_codes()
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        stored = str(cursor.fetchall())
    assert secret not in stored
    assert not any(code in stored for code in seed)
    assert stored.count("gAAAAA") == 2  # how everything begins that Fernet makes


def test_a_secret_of_another_key_is_answered_with_words(alice, settings):
    app_of(alice)
    settings.SECRET_KEY = "another-key-" * 5
    client = Client()
    enter_password(client, alice)
    answer = enter_code(client, code_now())
    assert (answer.status_code, "cannot be read" in answer.content.decode()) == (200, True)


def test_the_page_shows_the_secret_as_a_picture_the_policy_allows(browser):
    answer = browser.get(ACTIVATE)
    assert 'src="data:image/svg+xml;base64,' in answer.content.decode()
    assert "data:" in answer.headers["Content-Security-Policy"]
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_wrong_code_sets_nothing_up(browser, alice):
    browser.get(ACTIVATE)
    assert browser.post(ACTIVATE, {"code": "000000"}).status_code == 200
    assert not Authenticator.objects.filter(user=alice).exists()


def test_the_code_that_set_an_app_up_opens_no_sign_in(browser, alice):
    secret = _set_up(browser)
    client = Client()
    enter_password(client, alice)
    enter_code(client, code_now(secret))
    assert not is_signed_in(client)


# --- asked for


def test_a_password_alone_no_longer_signs_in(alice):
    app_of(alice)
    client = Client()
    answer = enter_password(client, alice)
    assert answer.headers["Location"] == "/accounts/2fa/authenticate/"
    assert not is_signed_in(client)
    enter_code(client, code_now())
    assert is_signed_in(client)
    assert _events("user.") == ["user.signed_in"]


def test_the_way_on_is_kept_over_the_second_factor(alice):
    app_of(alice)
    client = Client()
    enter_password(client, alice, next="/history")
    assert enter_code(client, code_now()).headers["Location"] == "/history"


def test_a_code_works_once(alice):
    app_of(alice)
    code = code_now()
    first, second = Client(), Client()
    enter_password(first, alice)
    enter_code(first, code)
    enter_password(second, alice)
    enter_code(second, code)
    assert (is_signed_in(first), is_signed_in(second)) == (True, False)


def test_yesterdays_and_tomorrows_codes_do_not_work(alice, clock):
    app_of(alice)
    now = clock.now
    for away in (-30, 30):
        clock.now = now + away
        code = code_now()
        clock.now = now
        client = Client()
        enter_password(client, alice)
        enter_code(client, code)
        assert not is_signed_in(client)


def test_a_recovery_code_works_once_and_is_recorded(alice):
    app_of(alice)
    code = codes_of(alice)[0]
    first, second = Client(), Client()
    for client in (first, second):
        enter_password(client, alice)
        enter_code(client, code)
    assert (is_signed_in(first), is_signed_in(second)) == (True, False)
    event = AuditEvent.objects.get(action="recovery_code.used")
    assert (event.actor_id, event.target_id) == (alice.pk, str(alice.pk))
    assert code not in event.change


def test_a_wrong_code_is_recorded_and_names_nobody_as_its_author(alice):
    app_of(alice)
    client = Client()
    enter_password(client, alice)
    enter_code(client, "000000")
    event = AuditEvent.objects.get(action="second_factor.failed")
    assert (event.actor_id, event.target_id) == (None, str(alice.pk))
    assert "000000" not in event.change


def test_a_reset_password_does_not_skip_the_second_factor(alice, capsys):
    app_of(alice)
    call_command("password_link", alice.email)
    link = "/accounts/" + capsys.readouterr().out.strip().partition("/accounts/")[2]
    client, new = Client(), "another long enough phrase"
    form = client.get(link, follow=True).redirect_chain[-1][0]
    client.post(form, {"password1": new, "password2": new})
    assert User.objects.get(pk=alice.pk).check_password(new)
    assert not is_signed_in(client)
    client.post("/accounts/login/", {"login": alice.email, "password": new})
    assert not is_signed_in(client)
    enter_code(client, code_now())
    assert is_signed_in(client)


def test_ten_guesses_in_a_quarter_of_an_hour_are_looked_at(alice, clock, monkeypatch):
    app_of(alice)
    looked_at = []
    real = totp.validate_totp_code
    monkeypatch.setattr(
        totp, "validate_totp_code", lambda *a: looked_at.append(clock.now) or real(*a)
    )
    start = clock.now
    for n in range(90):  # one guess in ten seconds, each from an address of its own
        clock.now = start + 10 * n
        client = Client(REMOTE_ADDR=f"198.51.100.{n}")
        assert enter_password(client, alice).headers["Location"] == "/accounts/2fa/authenticate/"
        enter_code(client, f"{n:06}")
    assert len(looked_at) == 10


def test_ten_passwords_in_a_quarter_of_an_hour_confirm(alice, client_of, clock):
    client, start = client_of(alice), clock.now
    answers = []
    for n in range(60):
        clock.now = start + 15 * n
        answers.append(client.post("/accounts/reauthenticate/", {"password": f"wrong {n}"}))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) == 10
    assert statuses.count(429) == 50
    assert "Too many tries" in answers[-1].content.decode()


# --- with its event or not at all


def test_no_factor_is_added_without_its_event(browser, alice, monkeypatch):
    page = browser.get(ACTIVATE).content.decode()
    (secret,) = re.findall(r'<code class="key" dir="ltr">(\w+)</code>', page)
    _fail_audit(monkeypatch)
    with pytest.raises(OSError, match="No space"):
        browser.post(ACTIVATE, {"code": code_now(secret)})
    assert not Authenticator.objects.filter(user=alice).exists()


def test_no_key_is_added_without_its_event(browser, alice, monkeypatch):
    """allauth saves a key outside any transaction of its own."""
    monkeypatch.setattr(webauthn, "parse_registration_response", lambda credential: None)
    monkeypatch.setattr(webauthn, "complete_registration", lambda credential: None)
    form = {"name": "blue key", "credential": '{"id": "a"}'}
    with monkeypatch.context() as full:
        _fail_audit(full)
        with pytest.raises(OSError, match="No space"):
            browser.post("/accounts/2fa/webauthn/add/", form)
    assert not Authenticator.objects.filter(user=alice).exists()
    browser.post("/accounts/2fa/webauthn/add/", form)
    assert Authenticator.objects.filter(user=alice, type=Type.WEBAUTHN).count() == 1


def test_no_factor_is_removed_without_its_event(browser, alice, monkeypatch):
    app_of(alice)
    _fail_audit(monkeypatch)
    with pytest.raises(OSError, match="No space"):
        browser.post(DEACTIVATE)
    assert Authenticator.objects.filter(user=alice, type=Type.TOTP).exists()


def test_no_recovery_code_is_used_up_without_its_event(alice, monkeypatch):
    app_of(alice)
    code = codes_of(alice)[0]
    client = Client()
    enter_password(client, alice)
    _fail_audit(monkeypatch)
    with pytest.raises(OSError, match="No space"):
        enter_code(client, code)
    assert code in Authenticator.objects.get(type=Type.RECOVERY_CODES).wrap().get_unused_codes()


def test_new_recovery_codes_replace_the_old(browser, alice):
    app_of(alice)
    old = codes_of(alice)
    browser.post("/accounts/2fa/recovery-codes/generate/")
    new = browser.get("/accounts/2fa/recovery-codes/").content.decode()
    assert not any(code in new for code in old)
    assert len(re.findall(r"<li><code>\d{8}</code>", new)) == 10
    assert _events("recovery_codes.") == [
        "recovery_codes.made",
        "recovery_codes.removed",
        "recovery_codes.made",
    ]


def test_the_last_factor_takes_the_recovery_codes_along(browser, alice):
    app_of(alice)
    codes_of(alice)
    browser.post(DEACTIVATE)
    assert not Authenticator.objects.filter(user=alice).exists()
    assert {"second_factor.removed", "recovery_codes.removed"} <= set(_events())


def test_an_operator_removes_the_factors_of_who_lost_them(alice, capsys):
    app_of(alice)
    call_command("remove_second_factors", alice.email.upper())
    assert not Authenticator.objects.filter(user=alice).exists()
    event = AuditEvent.objects.get(action="second_factor.removed")
    assert (event.actor_id, event.target_id) == (None, str(alice.pk))
    with pytest.raises(CommandError, match=re.escape("nobody@example.org")):
        call_command("remove_second_factors", "nobody@example.org")


# --- confirmed again before


@pytest.mark.parametrize(
    "path",
    [
        ACTIVATE,
        "/accounts/2fa/webauthn/add/",
        "/accounts/2fa/recovery-codes/generate/",
        DEACTIVATE,
        "/accounts/2fa/recovery-codes/",
    ],
)
def test_factors_change_only_after_a_confirmation(alice, client_of, path):
    if path in {DEACTIVATE, "/accounts/2fa/recovery-codes/"}:
        app_of(alice)
        codes_of(alice)
    client = client_of(alice)
    answer = client.get(path)
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/?next=")
    confirm(client)
    assert client.get(path).status_code == 200


def test_a_suspended_change_goes_on_after_the_confirmation(alice, client_of):
    app_of(alice)
    client = client_of(alice)
    where = client.post(DEACTIVATE).headers["Location"]
    assert Authenticator.objects.filter(user=alice).exists()
    client.post(where, {"password": PASSWORD, "next": DEACTIVATE})
    assert not Authenticator.objects.filter(user=alice).exists()


def test_a_code_confirms_too(alice, client_of):
    app_of(alice)
    client = client_of(alice)
    client.post("/accounts/2fa/reauthenticate/", {"code": code_now()})
    assert client.get(DEACTIVATE).status_code == 200


def test_strangers_keys_do_not_exist(alice, client_of, bob):
    key = Authenticator.objects.create(user=bob, type=Type.WEBAUTHN, data={"name": "bob's"})
    client = client_of(alice)
    confirm(client)
    for way in ("edit", "remove"):
        assert client.post(f"/accounts/2fa/webauthn/keys/{key.pk}/{way}/").status_code == 404
    assert SECRET not in client.get("/accounts/2fa/webauthn/").content.decode()
    assert Authenticator.objects.filter(pk=key.pk).exists()
