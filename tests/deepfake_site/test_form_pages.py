"""Addresses that only take what a form sends, come upon as a page."""

import uuid

import pytest

from deepfake_site.form_pages import page_above

pytestmark = pytest.mark.django_db
PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.mark.parametrize(
    ("path", "above"),
    [
        ("/history/change", "/history"),
        (f"/cases/{uuid.UUID(int=1)}/notes", f"/cases/{uuid.UUID(int=1)}"),
        (f"/detections/{uuid.UUID(int=1)}/feedback", f"/detections/{uuid.UUID(int=1)}"),
        ("/accounts/sessions/3/end", "/accounts/sessions/"),
        ("/nowhere/at/all", "/"),
        ("/", "/"),
    ],
)
def test_the_nearest_page_above(path, above):
    assert page_above(path) == above


def test_a_browser_is_led_to_it(client_of, alice):
    browser = client_of(alice)
    answer = browser.get("/history/change", headers=PAGE)
    assert (answer.status_code, answer["Location"]) == (302, "/history")
    assert "sign in again" not in browser.get("/history").content.decode()


@pytest.mark.parametrize(
    ("referer", "is_told"),
    [
        ("http://testserver/accounts/login/?next=/history/change", True),
        ("http://testserver/accounts/2fa/authenticate/", True),
        ("http://elsewhere/accounts/login/", False),
        ("http://testserver/history", False),
    ],
)
def test_who_had_to_sign_in_hears_that_nothing_was_kept(client_of, alice, referer, is_told):
    browser = client_of(alice)
    answer = browser.get("/history/change", headers={**PAGE, "Referer": referer}, follow=True)
    assert ("You had to sign in again" in answer.content.decode()) is is_told


def test_others_are_told_what_they_were(client_of, client, alice):
    browser = client_of(alice)
    assert browser.get("/history/change").status_code == 405
    assert browser.put("/history/change", headers=PAGE).status_code == 405
    assert browser.get("/api/v1/notices/seen", headers=PAGE).status_code in {405, 406}
    assert client.get("/history/change", headers=PAGE)["Location"].startswith("/accounts/login/")
