"""A journalist disputes a verdict, a reviewer decides, and everybody concerned is told."""

import ipaddress
import json
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.core import mail
from django.utils import timezone
from playwright.sync_api import Page, expect
from standardwebhooks import Webhook

from accounts.models import User
from detection import storage
from detection.models import (
    Detection,
    Feedback,
    Image,
    Notice,
    ReviewItem,
    ReviewRules,
    WebhookDelivery,
)
from detection.services import delivering, mailing, telling
from detection.services.webhooks import add_endpoint
from tests import images
from tests.browser.conftest import Visiting
from tests.browser.test_every_page import AXE_OPTIONS, LOW_CONTRAST
from tests.factories import report_row, review_row, submitted
from tests.receivers import receiver
from tests.review_desk import decided

pytestmark = pytest.mark.browser
SHAPES = [
    {},
    {"java_script_enabled": False},
    {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
]


@pytest.fixture
def judged(model: object, alice: User, judge: Callable[..., None]) -> Detection:
    sent = submitted(alice, images.jpeg_bytes(640, 480))
    judge(sent.detection, 0.95, Detection.Verdict.LIKELY_MANIPULATED)
    return Detection.objects.get(pk=sent.detection_id)


@pytest.mark.parametrize("shape", SHAPES)
def test_from_a_dispute_to_the_outcome(
    visit: Visiting,
    alice: User,
    carol: User,
    judged: Detection,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    shape: dict[str, Any],
) -> None:
    monkeypatch.setattr("detection.services.reviewed_labels.learn", lambda item: None)
    ReviewRules.objects.create(second_opinion_share=0)
    settings.HAS_MAIL = True
    settings.OUTBOUND_ALLOW = [ipaddress.ip_network("127.0.0.0/8")]
    report = report_row(judged, alice)
    it = visit(**shape)
    it.sign_in(alice)
    with receiver() as hook:
        _endpoint, secret = add_endpoint(by=alice, url=hook.url, events=["review.completed"])
        page = it.open(f"/detections/{judged.pk}")
        page.locator('[name=says][value="false_positive.real"]').check()
        page.locator("[name=comment]").fill("I took it myself.")
        page.locator("[name=allows_training]").check()
        page.locator('.claim-form [name=action][value="give"]').click()
        expect(page.locator(".claim")).to_contain_text("I took it myself.")
        assert Image.objects.exclude(training_consent_at=None).count() == 1
        assert Feedback.objects.standing().get().category == "false_positive"

        _decide(carol)
        for row in WebhookDelivery.objects.filter(event="review.completed"):
            delivering.deliver(row.pk)
        told = Webhook(secret).verify(hook.messages[0].body, hook.messages[0].headers)
    assert (told["type"], told["data"]["outcome"]) == ("review.completed", "authentic")

    Notice.objects.update(mail_due_at=timezone.now())
    assert mailing.mail_news(alice.pk)
    assert "A reviewer says: Authentic" in mail.outbox[-1].body

    page = it.open("/notices")
    expect(page.locator(".news-row")).to_contain_text("A reviewer says: Authentic")
    assert it.width_left_over() <= 0
    page.locator(".news-title a").click()
    page.wait_for_url(f"**/detections/{judged.pk}")
    expect(page.locator(".reviewed")).to_contain_text("Whoever made it confirmed it")
    expect(page.locator("[data-verdict]")).to_have_text("Likely manipulated")
    expect(page.locator(".count-new")).to_have_count(0)
    expect(page.locator(".report-row")).to_contain_text("A reviewer has decided about the image")
    _checked(page, it.base, judged, report)
    assert it.width_left_over() <= 0
    assert it.complaints == []


def _decide(by: User) -> None:
    """As a moderator does at the desk."""
    item = ReviewItem.objects.get(status=ReviewItem.Status.OPEN, golden=None)
    decided(item, by, reason="maker_confirmed")


def _checked(page: Page, base: str, judged: Detection, report: Any) -> None:
    """Whoever holds the report learns that it is not the last word."""
    page.goto(f"{base}/verify-report")
    page.set_input_files("#report-file", storage.report_path(judged.image_id, report.pk, ".json"))
    page.locator(".report-check button").click()
    expect(page.locator(".report-result")).to_contain_text("A reviewer has decided")


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_pages_are_readable_in_every_shape(
    visit: Visiting,
    alice: User,
    carol: User,
    judged: Detection,
    language: str,
    scheme: str,
    width: int,
) -> None:
    User.objects.filter(pk=alice.pk).update(language=language, theme="")
    Feedback.objects.create(
        detection=judged, by=alice, label="real", category="false_positive", comment="I took it."
    )
    telling.review_completed(review_row(judged, by=carol))
    it = visit(viewport={"width": width, "height": 900}, color_scheme=scheme)
    it.page.context.add_cookies([{"name": "django_language", "value": "en", "url": it.base}])
    it.sign_in(alice)
    it.page.context.clear_cookies(name="django_language")
    for path in ("/notices", f"/detections/{judged.pk}", "/account"):
        page = it.open(path)
        expect(page.locator("html")).to_have_attribute("lang", language)
        page.evaluate(
            "() => document.querySelectorAll('details').forEach((d) => { d.open = true })"
        )
        assert page.evaluate(LOW_CONTRAST) == []
        found = page.evaluate(f"{AXE_SCRIPT}; axe.run({json.dumps(AXE_OPTIONS)})")
        assert [one["id"] for one in found["violations"]] == []
        assert it.width_left_over() <= 0
    assert it.complaints == []
