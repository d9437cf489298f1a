"""Roles that need a second factor reach nothing without one."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import User
from tests.accounts.factors import app_of, codes_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _required(settings) -> None:
    settings.REQUIRE_SECOND_FACTOR = {"moderator", "admin"}


@pytest.fixture
def browser(carol: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(carol)


@pytest.mark.parametrize("path", ["/", "/history", "/keys", "/accounts/sessions/", "/admin/"])
def test_pages_lead_to_the_set_up_page_which_says_why(browser, path):
    answer = browser.get(path, follow=True)
    assert answer.redirect_chain == [("/accounts/2fa/", 302)]
    assert "Your role needs a second factor" in answer.content.decode()


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_api_refuses_a_session(browser, method):
    answer = getattr(browser, method)("/api/v1/detections")
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")


def test_a_made_up_key_opens_no_page(browser):
    answer = browser.get("/history", headers={"Authorization": "Bearer umk_nonsense"})
    assert answer.headers["Location"] == "/accounts/2fa/"
    answer = browser.get("/api/v1/detections", headers={"Authorization": "Bearer umk_nonsense"})
    assert answer.status_code == 401


def test_api_keys_are_not_concerned(carol, key_of):
    bearer = {"Authorization": f"Bearer {key_of(carol)}"}
    assert Client().get("/api/v1/detections", headers=bearer).status_code == 200


def test_setting_up_language_and_sign_out_stay_open(browser):
    for path in ("/accounts/2fa/totp/activate/", "/accounts/2fa/webauthn/add/"):
        assert browser.get(path).headers["Location"].startswith("/accounts/reauthenticate/")
    assert browser.get("/accounts/reauthenticate/").status_code == 200
    assert browser.get("/static/css/base.css").status_code == 200
    assert browser.post("/language/setlang/", {"language": "ar"}).status_code == 302
    assert browser.cookies["django_language"].value == "ar"
    browser.post("/accounts/logout/")
    assert "_auth_user_id" not in browser.session


def test_a_factor_opens_everything(browser, carol):
    app_of(carol)
    assert browser.get("/history").status_code == 200
    assert browser.get("/api/v1/detections").status_code == 200


def test_recovery_codes_alone_are_no_factor(browser, carol):
    codes_of(carol)
    assert browser.get("/history").headers["Location"] == "/accounts/2fa/"


def test_other_roles_are_not_concerned(alice, client_of):
    assert client_of(alice).get("/history").status_code == 200
    assert "needs a second" not in client_of(alice).get("/accounts/2fa/").content.decode()
