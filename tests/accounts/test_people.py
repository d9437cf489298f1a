"""People on pages: invited, changed, disabled and let in again by administrators alone."""

import json
import re
import threading
from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.db import connection
from django.test import Client

from accounts import people
from accounts.models import AuditEvent, User
from accounts.people import LockoutError, Rights
from tests.accounts.factors import confirm
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
LINK = re.compile(r"http://testserver(/accounts/password/reset/key/[\w-]+/)")
NEW = {"email": "New@Example.org", "name": "Nora", "role": "moderator", "is_auditor": "on"}


@pytest.fixture
def office(dora: User, client_of: Callable[[User], Client]) -> Client:
    """An administrator's browser, the password confirmed a moment ago."""
    browser = client_of(dora)
    confirm(browser)
    return browser


def choose_password(path: str, password: str = PASSWORD) -> int:
    """Open a link as a stranger would and set a password; gives the last answer's status."""
    browser = Client()
    form = browser.get(path, follow=True)
    if form.status_code != 200 or not form.redirect_chain:
        return form.status_code
    where = form.redirect_chain[-1][0]
    return browser.post(where, {"password1": password, "password2": password}).status_code


def sign_in(email: str, password: str = PASSWORD) -> Client | None:
    browser = Client()
    browser.post("/accounts/login/", {"login": email, "password": password})
    return browser if browser.get("/history").status_code == 200 else None


def test_an_invited_person_comes_in_by_the_link_once(office, dora):
    answer = office.post("/people/invite", NEW)
    assert (answer.status_code, "no-store" in answer.headers["Cache-Control"]) == (201, True)
    (path,) = LINK.findall(answer.content.decode())
    person = User.objects.get(email="new@example.org")
    assert (person.name, person.role, person.is_auditor) == ("Nora", "moderator", True)
    assert person.is_invited
    assert not LINK.search(office.get(f"/people/{person.pk}").content.decode())
    assert choose_password(path) == 302
    assert sign_in("new@example.org") is not None
    person.refresh_from_db()
    assert not person.is_invited
    assert "no longer works" in Client().get(path, follow=True).content.decode()
    created = AuditEvent.objects.get(action="user.created")
    assert (created.actor_id, created.target_id) == (dora.pk, str(person.pk))
    assert json.loads(created.change)["after"]["role"] == "moderator"
    assert "new@example.org" not in created.change
    assert AuditEvent.objects.filter(action="user.password_link_made").count() == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"email": "alice@EXAMPLE.org"}, "already"),
        ({"email": "nobody"}, "valid email"),
        ({"role": "superuser"}, "valid choice"),
        ({"name": "n" * 151}, "at most 150"),
    ],
)
def test_a_wrong_invitation_makes_nobody_and_says_why(office, alice, changed, said):
    before = User.objects.count()
    answer = office.post("/people/invite", {**NEW, **changed})
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert User.objects.count() == before
    assert not AuditEvent.objects.filter(action="user.created").exists()


def test_with_mail_the_link_goes_to_the_person_alone(office, settings):
    settings.HAS_MAIL = True
    answer = office.post("/people/invite", NEW).content.decode()
    assert not LINK.search(answer)
    assert "went by mail" in answer
    (letter,) = mail.outbox
    assert letter.to == ["new@example.org"]
    assert choose_password(LINK.findall(letter.body)[0]) == 302


def test_where_the_mail_server_is_away_the_administrator_gets_the_link(
    office, settings, monkeypatch
):
    def away(*_: object, **__: object) -> None:
        raise ConnectionRefusedError

    settings.HAS_MAIL = True
    monkeypatch.setattr("django.core.mail.EmailMessage.send", away)
    answer = office.post("/people/invite", NEW)
    assert answer.status_code == 201
    assert LINK.search(answer.content.decode())
    assert "could not be sent" in answer.content.decode()


def test_a_persons_rights_change_and_are_recorded(office, dora, alice):
    form = {"email": alice.email, "name": "Alice A", "role": "moderator", "is_auditor": "on"}
    assert office.post(f"/people/{alice.pk}", form).status_code == 302
    alice.refresh_from_db()
    assert (alice.name, alice.role, alice.is_auditor) == ("Alice A", "moderator", True)
    event = AuditEvent.objects.get(action="user.changed")
    change = json.loads(event.change)
    assert (event.actor_id, event.target_id) == (dora.pk, str(alice.pk))
    assert change["before"] == {"role": "journalist", "is_auditor": False}
    assert change["after"] == {"role": "moderator", "is_auditor": True}
    assert "Alice A" not in event.change
    office.post(f"/people/{alice.pk}", form)
    assert AuditEvent.objects.filter(action="user.changed").count() == 1


def test_a_disabled_person_is_out_at_once_and_back_when_let_in(office, alice, client_of, key_of):
    browser, bearer = client_of(alice), {"Authorization": f"Bearer {key_of(alice)}"}
    assert browser.get("/history").status_code == 200
    assert office.post(f"/people/{alice.pk}/disable").status_code == 302
    assert browser.get("/history").status_code == 302
    assert Client().get("/api/v1/detections", headers=bearer).status_code == 401
    assert sign_in(alice.email) is None
    assert office.post(f"/people/{alice.pk}/link").status_code == 404
    office.post(f"/people/{alice.pk}/disable")
    assert office.post(f"/people/{alice.pk}/reactivate").status_code == 302
    assert browser.get("/history").status_code == 302  # the old session stays ended
    assert sign_in(alice.email) is not None
    assert Client().get("/api/v1/detections", headers=bearer).status_code == 200
    actions = AuditEvent.objects.filter(action__in=["user.disabled", "user.reactivated"])
    assert [row.action for row in actions.order_by("id")] == ["user.disabled", "user.reactivated"]


def test_nobody_locks_themselves_or_everybody_out(office, dora, alice):
    assert (
        "cannot take your own rights"
        in office.post(f"/people/{dora.pk}/disable", follow=True).content.decode()
    )
    form = {"email": dora.email, "name": "", "role": "journalist"}
    demoted = office.post(f"/people/{dora.pk}", form)
    assert demoted.status_code == 409
    dora.refresh_from_db()
    assert (dora.is_active, dora.role) == (True, "admin")
    with pytest.raises(LockoutError, match="last administrator"):
        people.disable(by=alice, person=dora)
    changes = ["user.changed", "user.disabled", "user.sessions_ended"]
    assert not AuditEvent.objects.filter(action__in=changes).exists()


def test_a_failing_audit_event_leaves_everything_as_it_was(office, alice, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no event")

    monkeypatch.setattr("accounts.audit.record", broken)
    office.raise_request_exception = False
    form = {"email": alice.email, "name": "", "role": "moderator"}
    for path, data in (
        (f"/people/{alice.pk}", form),
        (f"/people/{alice.pk}/disable", {}),
        ("/people/invite", NEW),
        ("/account", {"name": "Mallory"}),
    ):
        assert office.post(path, data).status_code == 500
    alice.refresh_from_db()
    assert (alice.role, alice.is_active) == ("journalist", True)
    assert not User.objects.filter(email="new@example.org").exists()
    assert not User.objects.filter(name="Mallory").exists()


def test_people_are_found_by_name_address_role_and_state(office, alice, bob):
    people.invite(by=None, email="invited@example.org")
    User.objects.filter(pk=bob.pk).update(is_active=False, name="Robert")
    listed = {
        "q=ROBERT": {"bob"},
        "q=alice@": {"alice"},
        "role=admin": {"dora"},
        "state=disabled": {"bob"},
        "state=invited": {"invited"},
        "state=active": {"alice", "dora"},
        "": {"alice", "bob", "dora", "invited"},
    }
    for query, expected in listed.items():
        page = office.get(f"/people?{query}").content.decode()
        main = page.partition('<main id="content"')[2]
        assert set(re.findall(r"\b(\w+)@example\.org", main)) - {""} == expected, query
    assert office.get("/people?role=nonsense").status_code == 400


def test_a_long_list_comes_in_pages(office):
    User.objects.bulk_create(User(email=f"p{at:03}@example.org", password="!") for at in range(120))
    first, last = (office.get(f"/people?page={n}").content.decode() for n in (1, 3))
    assert "Page 1 of 3" in first
    assert "p119@" in last
    assert office.get("/people?page=99").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_demote_each_other_leave_one(dora):
    second = User.objects.create_user("erin@example.org", PASSWORD, role=User.Role.ADMIN)
    start, refused = threading.Barrier(2), []

    def demote(by: User, person: User) -> None:
        start.wait()
        try:
            people.change_rights(
                by=by, person=person, name="", rights=Rights("journalist", is_auditor=False)
            )
        except LockoutError:
            refused.append(by.pk)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=demote, args=pair) for pair in ((dora, second), (second, dora))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert User.objects.filter(role=User.Role.ADMIN).count() == 1
    assert len(refused) == 1


def test_an_administrator_signs_somebody_out_everywhere(office, dora, alice, client_of):
    browsers = [client_of(alice), client_of(alice)]
    assert [browser.get("/history").status_code for browser in browsers] == [200, 200]
    assert office.post(f"/people/{alice.pk}/sign-out").status_code == 302
    assert [browser.get("/history").status_code for browser in browsers] == [302, 302]
    event = AuditEvent.objects.get(action="user.sessions_ended")
    assert (event.actor_id, json.loads(event.change)["after"]["sessions"]) == (dora.pk, 2)
    assert office.get("/history").status_code == 200


def test_an_administrator_removes_lost_second_factors(office, dora, alice):
    Authenticator.objects.create(user=alice, type=Authenticator.Type.TOTP, data={"secret": "x"})
    assert "Remove their second factors" in office.get(f"/people/{alice.pk}").content.decode()
    assert office.post(f"/people/{alice.pk}/factors").status_code == 302
    assert not Authenticator.objects.exists()
    assert AuditEvent.objects.get(action="second_factor.removed").actor_id == dora.pk


def test_a_person_is_erased_with_a_reason_and_not_brought_back(office, dora, alice):
    path = f"/people/{alice.pk}"
    assert office.post(f"{path}/erase", {"reason": ""}).status_code == 400
    assert User.objects.filter(email=alice.email).exists()
    assert office.post(f"{path}/erase", {"reason": "asked to be"}).status_code == 302
    page = office.get(path).content.decode()
    assert alice.email not in page
    assert "by number" in page
    office.post(f"{path}/reactivate")
    alice.refresh_from_db()
    assert (alice.is_active, alice.is_erased) == (False, True)
    assert AuditEvent.objects.get(action="user.erased").actor_id == dora.pk
    assert office.post(f"/people/{dora.pk}/erase", {"reason": "tired"}).status_code == 409


@pytest.mark.parametrize("act", ["", "/link", "/disable", "/factors", "/sign-out", "/erase"])
def test_whoever_finds_a_session_open_is_asked_for_the_password(act, dora, alice, client_of):
    form = {"email": "mallory@example.org", "role": "admin", "reason": "x"}
    answer = client_of(dora).post(f"/people/{alice.pk}{act}", form)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    alice.refresh_from_db()
    assert (alice.email, alice.role, alice.is_active) == ("alice@example.org", "journalist", True)


@pytest.mark.parametrize("act", ["link", "factors"])
def test_ones_own_password_and_factors_have_pages_of_their_own(act, office, dora):
    assert office.post(f"/people/{dora.pk}/{act}").status_code == 404


def test_an_address_is_changed_and_the_old_one_opens_nothing(office, alice):
    form = {"email": "Alice.New@example.org", "name": "", "role": "journalist"}
    assert office.post(f"/people/{alice.pk}", form).status_code == 302
    assert sign_in("alice@example.org") is None
    assert sign_in("alice.new@example.org") is not None
    event = AuditEvent.objects.get(action="user.changed")
    told = json.loads(event.detail.body)
    assert (told["old_email"], told["email"]) == ("alice@example.org", "alice.new@example.org")
    assert "example.org" not in event.change


@pytest.mark.parametrize(
    ("email", "said"),
    [
        ("bob@example.org", "already"),
        ("erased-7@erased.invalid", "Nobody can have"),
        ("x", "valid email"),
    ],
)
def test_an_address_that_cannot_be_is_refused(office, alice, bob, email, said):
    answer = office.post(f"/people/{alice.pk}", {"email": email, "name": "", "role": "journalist"})
    assert (answer.status_code, said in answer.content.decode()) == (400, True)
    assert office.post("/people/invite", {**NEW, "email": email}).status_code == 400
    alice.refresh_from_db()
    assert alice.email == "alice@example.org"


def test_a_link_is_worth_nothing_once_its_person_is_disabled(office):
    (path,) = LINK.findall(office.post("/people/invite", NEW).content.decode())
    person = User.objects.get(email="new@example.org")
    office.post(f"/people/{person.pk}/disable")
    page = Client().get(path, follow=True).content.decode()
    assert "no longer works" in page
    office.post(f"/people/{person.pk}/reactivate")
    assert "no longer works" in Client().get(path, follow=True).content.decode()
    person.refresh_from_db()
    assert person.is_invited
