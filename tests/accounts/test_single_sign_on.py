"""Sign-in by OpenID Connect: who is let in, as whom, and what is not believed."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.conf import settings as current
from django.http import HttpResponse
from django.test import Client

from accounts import people
from accounts.models import AuditEvent, User
from tests.accounts.factors import app_of, code_now, enter_code, is_signed_in
from tests.accounts.oidc_service import CLIENT_ID, CLIENT_SECRET, OTHER_KEY, Service, serve

pytestmark = pytest.mark.django_db
LOGIN, CALLBACK = "/accounts/oidc/login/", "/accounts/oidc/callback/"


@pytest.fixture
def service(settings) -> Iterator[Service]:
    """A running one that vouches for Alice."""
    made = Service()
    made.person = {"sub": "u-1", "email": "alice@example.org", "email_verified": True}
    server = serve(made)
    settings.OIDC_URL, settings.OIDC_NAME = made.url, "the newsroom"
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
    yield made
    server.shutdown()
    server.server_close()


def _come(client: Client, service: Service, query: str = "") -> HttpResponse:
    """Go to the service, sign in there, come back."""
    sent = client.get(LOGIN + query)
    assert sent.status_code == 302
    return client.get(service.sign_in(sent.headers["Location"]))


# --- off


@pytest.mark.parametrize("path", [LOGIN, CALLBACK, "/accounts/oidc/cancelled/"])
def test_without_a_service_its_pages_do_not_exist(client, path):
    assert client.get(path).status_code == 404
    assert "oidc" not in client.get("/accounts/login/").content.decode()


# --- in


def test_the_sign_in_page_names_the_service_and_keeps_the_way_on(client, service):
    html = client.get("/accounts/login/?next=/history").content.decode()
    assert "Sign in with the newsroom" in html
    assert f'href="{LOGIN}?next=%2Fhistory"' in html


def test_an_invited_person_is_let_in_by_a_verified_address(client, service, alice):
    service.person["email"] = "Alice@Example.org"
    answer = _come(client, service, "?next=/history")
    assert answer.headers["Location"] == "/history"
    assert is_signed_in(client)
    actions = list(AuditEvent.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["user.identity_connected", "user.signed_in"]
    assert AuditEvent.objects.first().actor_id == alice.pk


def test_the_browser_is_sent_with_pkce_and_to_our_public_address(client, service, alice):
    sent = client.get(LOGIN).headers["Location"]
    asked = {name: values[0] for name, values in parse_qs(urlsplit(sent).query).items()}
    assert (asked["code_challenge_method"], asked["response_type"]) == ("S256", "code")
    assert len(asked["code_challenge"]) == 43
    assert asked["redirect_uri"] == f"{current.UNMASK_ORIGIN}{CALLBACK}"
    client.get(service.sign_in(sent))
    assert service.exchanged[0]["code_verifier"] not in sent


def test_the_role_never_comes_from_the_service(client, service, alice):
    service.person |= {"role": "admin", "groups": ["admin"], "is_staff": True, "is_auditor": True}
    _come(client, service)
    alice.refresh_from_db()
    assert (alice.role, alice.is_auditor) == (User.Role.JOURNALIST, False)


def test_a_password_survives_the_first_sign_in_by_the_service(client, service, alice):
    before = alice.password
    _come(client, service)
    alice.refresh_from_db()
    assert alice.password == before


def test_who_has_no_password_finds_the_rest_of_their_account(client, service, alice):
    alice.set_unusable_password()
    alice.save()
    _come(client, service)
    html = client.get("/accounts/password/change/", follow=True).content.decode()
    assert all(f'href="{path}"' in html for path in ("/accounts/2fa/", "/accounts/sessions/"))


def test_who_was_named_once_is_known_by_the_services_number(client, service, alice, bob):
    _come(client, service)
    service.person["email"] = bob.email
    second = Client()
    _come(second, service)
    assert second.get("/accounts/password/change/").context["user"] == alice
    assert SocialAccount.objects.count() == 1


def test_another_services_number_names_nobody(client, service, alice, settings):
    _come(client, service)
    other = Service(person={"sub": "u-1", "email": "eve@example.org", "email_verified": True})
    server = serve(other)
    settings.OIDC_URL = other.url
    stranger = Client()
    assert _come(stranger, other).status_code == 403
    assert not is_signed_in(stranger)
    server.shutdown()
    server.server_close()


def test_a_second_factor_is_asked_for_all_the_same(client, service, alice):
    app_of(alice)
    assert _come(client, service).headers["Location"] == "/accounts/2fa/authenticate/"
    assert not is_signed_in(client)
    enter_code(client, code_now())
    assert is_signed_in(client)


# --- not in


def test_strangers_are_refused_with_a_sentence(client, service, db):
    service.person["email"] = "eve@example.org"
    answer = _come(client, service)
    assert (answer.status_code, "can invite you" in answer.content.decode()) == (403, True)
    assert not User.objects.exists()
    event = AuditEvent.objects.get()
    assert event.action == "user.sign_in_failed"
    assert "eve@example.org" in event.detail.body


def test_strangers_are_let_in_where_anybody_may_sign_up(client, service, db, settings):
    settings.UNMASK_SIGNUP = True
    service.person |= {"email": "Eve@example.org", "name": "Eve Example", "role": "admin"}
    _come(client, service)
    eve = User.objects.get()
    assert (eve.email, eve.name, eve.role) == ("eve@example.org", "Eve Example", "journalist")
    assert is_signed_in(client)
    assert AuditEvent.objects.filter(action="user.created", target_id=str(eve.pk)).exists()


@pytest.mark.parametrize("is_known", [True, False])
def test_inactive_people_are_refused(client, service, alice, is_known):
    if is_known:
        _come(Client(), service)
    User.objects.update(is_active=False)
    answer = _come(client, service)
    assert answer.headers["Location"] == "/accounts/inactive/"
    assert not is_signed_in(client)
    assert AuditEvent.objects.filter(action="user.sign_in_failed").count() == 1


@pytest.mark.parametrize("vouched", [False, "true", "false", 1, None])
def test_an_address_that_is_not_vouched_for_opens_nothing(client, service, alice, vouched):
    service.person["email_verified"] = vouched
    answer = _come(client, service)
    assert (answer.status_code, "does not vouch" in answer.content.decode()) == (403, True)
    assert not is_signed_in(client)


def test_an_address_given_here_and_never_confirmed_opens_nothing(client, service, alice, settings):
    settings.UNMASK_SIGNUP = True
    EmailAddress.objects.create(user=alice, email=alice.email, verified=False, primary=True)
    answer = _come(client, service)
    assert (answer.status_code, "never confirmed" in answer.content.decode()) == (403, True)
    assert not SocialAccount.objects.exists()


def test_an_address_that_somebody_else_gave_opens_nothing(client, service, alice, bob):
    EmailAddress.objects.create(user=bob, email=alice.email, verified=False, primary=False)
    assert _come(client, service).status_code == 403
    assert not SocialAccount.objects.exists()


def test_whoever_was_invited_or_asked_for_a_link_comes_in(client, service, alice):
    """A link for a new password notes the address as not confirmed, whoever asked for it."""
    people.password_link(by=None, person=alice)
    Client().post("/accounts/password/reset/", {"email": alice.email})
    assert _come(client, service).status_code == 302
    assert SocialAccount.objects.get().user == alice


def test_nothing_is_connected_to_an_account_that_is_signed_in(service, bob, client_of, alice):
    client = client_of(bob)
    answer = _come(client, service, "?process=connect")
    assert answer.status_code == 403
    assert not SocialAccount.objects.exists()


# --- not believed


@pytest.mark.parametrize(
    "lie",
    [
        {"iss": "http://elsewhere.example.org"},
        {"aud": "another-desk"},
        {"exp": 1_000_000_000},
        {"sub": "u-2"},
    ],
)
def test_a_token_about_something_else_opens_nothing(client, service, alice, lie):
    service.token = lie
    answer = _come(client, service)
    assert answer.status_code == 401
    assert "gave no answer that can be used" in answer.content.decode()
    assert not is_signed_in(client)


def test_a_token_that_another_key_signed_opens_nothing(client, service, alice):
    service.key = OTHER_KEY
    assert _come(client, service).status_code == 401
    assert not is_signed_in(client)


def test_an_answer_about_somebody_else_opens_nothing(client, service, alice):
    service.userinfo = {"sub": "u-2"}
    assert _come(client, service).status_code == 401
    assert not is_signed_in(client)


def test_a_state_that_we_did_not_give_opens_nothing(client, service, alice):
    sent = client.get(LOGIN).headers["Location"]
    back = service.sign_in(sent)
    assert Client().get(back).status_code == 401
    assert client.get(back + "x").status_code == 401
    assert not is_signed_in(client)


def test_an_answer_is_taken_once(client, service, alice):
    back = service.sign_in(client.get(LOGIN).headers["Location"])
    client.get(back)
    client.post("/accounts/logout/")
    assert client.get(back).status_code == 401
    assert not is_signed_in(client)


def test_a_service_that_is_another_is_answered_on_the_page(client, service):
    service.discovery = {"issuer": "http://elsewhere.example.org"}
    answer = client.get(LOGIN)
    assert (answer.status_code, "Sign-in failed" in answer.content.decode()) == (401, True)


def test_a_service_that_breaks_halfway_is_answered_on_the_page(client, service, alice):
    sent = client.get(LOGIN).headers["Location"]
    service.discovery = {"token_endpoint": "http://127.0.0.1:1/"}
    answer = client.get(service.sign_in(sent))
    assert (answer.status_code, "Sign-in failed" in answer.content.decode()) == (401, True)


def test_a_service_that_is_away_is_answered_on_the_page(client, service, settings):
    settings.OIDC_URL = "http://127.0.0.1:1"
    answer = client.get(LOGIN)
    assert (answer.status_code, "Sign-in failed" in answer.content.decode()) == (401, True)


def test_turning_back_at_the_service_changes_nothing(client, service):
    sent = client.get(LOGIN).headers["Location"]
    state = parse_qs(urlsplit(sent).query)["state"][0]
    answer = client.get(f"{CALLBACK}?error=access_denied&state={state}", follow=True)
    assert "Nothing was changed" in answer.content.decode()
