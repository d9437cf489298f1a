"""The address of a shared report, which is shown once, is copied by a button."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import User
from detection.models import Detection
from tests.browser.conftest import Visiting
from tests.factories import report_row, submitted

pytestmark = pytest.mark.browser


def test_the_address_is_copied(
    visit: Visiting, model: object, alice: User, judge: Callable[..., None]
) -> None:
    row = submitted(alice).detection
    judge(row, 0.95, Detection.Verdict.LIKELY_MANIPULATED)
    row.refresh_from_db()
    report_row(row, alice)
    visiting = visit(permissions=["clipboard-read", "clipboard-write"])
    visiting.sign_in(alice)
    page = visiting.open(reverse("detection", args=[row.pk]))
    page.get_by_text("Share by a link").click()
    page.locator("form[action$='/links'] button").click()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == page.locator("code.key").text_content()
    assert visiting.complaints == []
