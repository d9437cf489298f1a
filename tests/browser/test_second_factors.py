"""Security keys, passkeys and apps in a real browser, under the policy of our pages."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.accounts.factors import app_of, code_now
from tests.browser.conftest import Visit, Visiting
from tests.browser.test_every_page import LOW_CONTRAST
from tests.conftest import PASSWORD

pytestmark = pytest.mark.browser
Type = Authenticator.Type
VIRTUAL_KEY = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def _plug_in(page: Page, **differs: Any) -> Any:
    """A key that answers by itself; takes it out by WebAuthn.disable."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": VIRTUAL_KEY | differs})
    return session


def _add_key(visiting: Visit, *, name: str, is_passkey: bool = False) -> None:
    """From the account's page, with the password entered again on the way."""
    page = visiting.open("/accounts/2fa/")
    page.get_by_role("link", name="Add a key").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name of the key").fill(name)
    if is_passkey:
        page.get_by_label("A passkey").check()
    page.get_by_role("button", name="Add a key").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()


def _sign_out(page: Page) -> None:
    page.get_by_role("banner").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_key_is_added_and_signs_in(visit: Visiting, model: object, alice: User) -> None:
    visiting = visit()
    page = visiting.page
    _plug_in(page)
    visiting.sign_in(alice)
    _add_key(visiting, name="blue key")
    assert page.locator(".codes li").count() == 10
    _sign_out(page)

    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Use a security key").click()
    page.wait_for_url(visiting.base + "/")
    assert Authenticator.objects.get(type=Type.WEBAUTHN).last_used_at is not None
    assert visiting.complaints == []


def test_a_passkey_signs_in_without_the_password(
    visit: Visiting, model: object, alice: User
) -> None:
    visiting = visit()
    page = visiting.page
    _plug_in(page)
    visiting.sign_in(alice)
    _add_key(visiting, name="phone", is_passkey=True)
    _sign_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(visiting.base + "/")
    expect(page.get_by_role("banner")).to_contain_text(alice.email)
    assert visiting.complaints == []


def test_a_key_that_is_not_known_here_is_answered_on_the_page(
    visit: Visiting, model: object, alice: User
) -> None:
    visiting = visit()
    page = visiting.page
    session = _plug_in(page)
    visiting.sign_in(alice)
    _add_key(visiting, name="lost key")
    _sign_out(page)
    session.send("WebAuthn.disable")
    _plug_in(page)  # another one
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Use a security key").click()
    expect(page.get_by_role("alert")).to_contain_text("The key gave no answer")


def test_an_app_is_set_up_by_its_picture(visit: Visiting, model: object, alice: User) -> None:
    visiting = visit()
    visiting.sign_in(alice)
    page = visiting.open("/accounts/2fa/totp/activate/")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    picture = page.get_by_alt_text("QR code of the secret below")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    secret = page.locator("code.key").inner_text()
    page.get_by_label("Authenticator code").fill(code_now(secret, lasts_s=10))
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    assert visiting.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_who_has_factors_are_readable_on_a_phone(
    visit: Visiting, model: object, alice: User, scheme: Any
) -> None:
    visiting = visit(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page = visiting.page
    _plug_in(page)
    visiting.sign_in(alice)
    _add_key(visiting, name="A key with quite a long name, as people give them to their keys")
    key = Authenticator.objects.get(type=Type.WEBAUTHN)
    names = (
        "mfa_index",
        "mfa_list_webauthn",
        "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes",
        "mfa_reauthenticate",
        "mfa_reauthenticate_webauthn",
        "mfa_activate_totp",
        "usersessions_list",
    )
    paths = [reverse(name) for name in names]
    paths += [reverse(name, args=[key.pk]) for name in ("mfa_edit_webauthn", "mfa_remove_webauthn")]
    wrong = {}
    for path in paths:
        visiting.open(path)
        assert page.url == visiting.base + path
        if found := [*page.evaluate(LOW_CONTRAST), visiting.width_left_over() or ""]:
            wrong[path] = found
    _sign_out(page)
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    wrong["authenticate"] = [*page.evaluate(LOW_CONTRAST), visiting.width_left_over() or ""]
    assert {path: found for path, found in wrong.items() if found != [""]} == {}
    assert visiting.complaints == []


def test_an_app_opens_the_desk_without_any_script(
    visit: Visiting, model: object, alice: User
) -> None:
    app_of(alice)
    visiting = visit(java_script_enabled=False)
    page = visiting.open("/accounts/login/")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    page.get_by_label("Email").fill(alice.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Code").fill(code_now(lasts_s=10))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(visiting.base + "/")
