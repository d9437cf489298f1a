"""Somebody writes while their session ends, in a real browser and without scripts."""

from collections.abc import Callable

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from detection.models import Detection
from tests import images
from tests.browser.conftest import Visit, Visiting
from tests.conftest import PASSWORD
from tests.factories import submitted

pytestmark = pytest.mark.browser
TYPED = "The shadow falls the wrong way.\nLook at the window."


@pytest.fixture
def judged(model: object, alice: User, judge: Callable[..., None]) -> Detection:
    detection = submitted(alice, images.png_bytes()).detection
    judge(detection, 0.95, Detection.Verdict.LIKELY_MANIPULATED)
    return detection


@pytest.fixture
def visiting(visit: Visiting, alice: User, judged: Detection) -> Visit:
    found = visit(java_script_enabled=False, viewport={"width": 390, "height": 844})
    found.sign_in(alice)
    return found


def _write(visiting: Visit, detection: Detection) -> Page:
    page = visiting.open(reverse("detection", args=[detection.pk]))
    page.locator("#says-1").check()
    page.locator("#claim-comment").fill(TYPED)
    return page


def _send(page: Page) -> None:
    page.locator("form:has(#claim-comment) button").last.click()


def _sign_in_here(page: Page, user: User) -> None:
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_what_was_written_is_shown_and_signing_in_leads_back(visiting, alice, judged):
    page = _write(visiting, judged)
    Session.objects.all().delete()
    _send(page)
    expect(page.get_by_role("heading", name="Your session had ended")).to_be_visible()
    expect(page.get_by_label("How do you know?")).to_have_value(TYPED)
    page.get_by_role("link", name="Sign in and go back to the page").click()
    _sign_in_here(page, alice)
    expect(page).to_have_url(visiting.base + reverse("detection", args=[judged.pk]))
    assert visiting.complaints == []


def test_so_it_is_after_signing_in_again_in_another_tab(visiting, alice, judged):
    page = _write(visiting, judged)
    Session.objects.all().delete()
    other = page.context.new_page()
    other.goto(f"{visiting.base}/accounts/login/")
    _sign_in_here(other, alice)
    other.wait_for_url(f"{visiting.base}/")
    _send(page)
    expect(page.get_by_role("heading", name="The form had expired")).to_be_visible()
    expect(page.get_by_label("How do you know?")).to_have_value(TYPED)
    page.get_by_role("link", name="Back to the page", exact=True).click()
    expect(page).to_have_url(visiting.base + reverse("detection", args=[judged.pk]))
    assert visiting.complaints == []
