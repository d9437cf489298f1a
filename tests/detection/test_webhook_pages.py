"""Webhooks on pages: a secret shown once, a log that opens, nothing of anybody else's."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from detection.models import WebhookDelivery, WebhookEndpoint
from detection.services import webhooks
from detection.web import webhook_pages
from tests.accounts.factors import confirm

pytestmark = pytest.mark.django_db
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")
TERMS = {
    "url": "https://cms.example.org/hooks",
    "events": ["detection.completed", "detection.failed"],
    "description": "wire desk",
}


@pytest.fixture
def browser(alice: User, client_of: Callable[[User], Client]) -> Client:
    """Signed in, and confirmed a moment ago."""
    client = client_of(alice)
    confirm(client)
    return client


@pytest.fixture
def endpoint(alice) -> WebhookEndpoint:
    return webhooks.add_endpoint(by=alice, **TERMS)[0]


def _delivery(endpoint: WebhookEndpoint, status: str = "failed", **fields: Any) -> WebhookDelivery:
    defaults = {
        "url": endpoint.url,
        "event": "detection.completed",
        "payload": '{"type":"detection.completed"}',
        "attempts": [
            {"at": "2026-11-25T18:03:00.000+00:00", "status_code": 503, "error": "", "ms": 12},
            {
                "at": "2026-11-25T18:03:05.000+00:00",
                "status_code": None,
                "error": "timeout",
                "ms": 1,
            },
        ],
    }
    return WebhookDelivery.objects.create(endpoint=endpoint, status=status, **(defaults | fields))


def _text(answer: Any) -> str:
    return answer.content.decode()


def test_a_new_webhooks_secret_is_shown_once(browser, alice):
    answer = browser.post("/webhooks", TERMS)
    assert (answer.status_code, "no-store" in answer.headers["Cache-Control"]) == (201, True)
    (secret,) = set(SECRET.findall(_text(answer)))
    row = alice.webhook_endpoints.get()
    assert row.signing_secrets() == [secret]
    for path in ("/webhooks", f"/webhooks/{row.pk}"):
        page = _text(browser.get(path))
        assert "wire desk" in page
        assert not SECRET.search(page)


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "cms.example.org"},
        {"url": "https://u:p@e.org/"},
        {"url": "http://169.254.169.254/"},
        {"events": []},
        {"events": ["all"]},
    ],
)
def test_terms_that_make_no_webhook_say_why(browser, alice, changed):
    answer = browser.post("/webhooks", TERMS | changed)
    assert (answer.status_code, "errorlist" in _text(answer)) == (400, True)
    assert not alice.webhook_endpoints.exists()


def test_making_changing_and_rotating_need_a_confirmation(alice, client_of, endpoint):
    client = client_of(alice)
    path = f"/webhooks/{endpoint.pk}"
    for where in ("/webhooks", path, f"{path}/rotate", "/webhooks/callbacks"):
        assert client.post(where, TERMS).headers["Location"].startswith("/accounts/reauth")
    endpoint.refresh_from_db()
    assert (alice.webhook_endpoints.count(), endpoint.previous_secret) == (1, "")


def test_it_is_changed_rotated_switched_and_deleted(browser, alice, endpoint):
    path = f"/webhooks/{endpoint.pk}"
    browser.post(path, TERMS | {"description": "night desk"})
    assert "night desk" in _text(browser.get(path))
    assert SECRET.search(_text(browser.post(f"{path}/rotate")))
    assert "Switch on" in _text(browser.post(f"{path}/switch", {"on": "0"}, follow=True))
    assert "Switch off" in _text(browser.post(f"{path}/switch", {"on": "1"}, follow=True))
    assert "You have no webhooks" in _text(browser.post(f"{path}/delete", follow=True))
    assert browser.get(path).status_code == 404


def test_a_change_that_is_refused_shows_the_form_open(browser, endpoint):
    answer = browser.post(f"/webhooks/{endpoint.pk}", TERMS | {"url": "nowhere"})
    assert (answer.status_code, 'endpoint-edit" open' in _text(answer)) == (400, True)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"failing_since": timezone.now()}, "has failed"),
        ({"disabled_at": timezone.now(), "disabled_because": "gone"}, "it is gone (410)"),
        ({"disabled_at": timezone.now(), "disabled_because": "failing"}, "for three days"),
    ],
)
def test_the_page_says_what_is_the_matter(browser, endpoint, fields, words):
    WebhookEndpoint.objects.update(**fields)
    assert words in _text(browser.get(f"/webhooks/{endpoint.pk}"))


def test_the_log_shows_attempts_and_content_and_sends_again(browser, endpoint):
    row = _delivery(endpoint)
    path = f"/webhooks/{endpoint.pk}"
    page = _text(browser.get(path))
    for words in ("503", "No answer came in time.", row.message_id, "&quot;type&quot;"):
        assert words in page
    assert "being sent again" in _text(browser.post(f"/deliveries/{row.pk}/resend", follow=True))
    assert "failed or was cancelled" in _text(
        browser.post(f"/deliveries/{row.pk}/resend", follow=True)
    )


def test_all_that_failed_is_sent_again_at_once(browser, endpoint):
    path = f"/webhooks/{endpoint.pk}"
    assert "Send all failed again" not in _text(browser.get(path))
    for _ in range(3):
        _delivery(endpoint)
    assert "Send all failed again" in _text(browser.get(path))
    assert "3 deliveries are being sent" in _text(browser.post(f"{path}/resend", follow=True))


def test_a_long_log_comes_in_pages_and_by_state(browser, endpoint, django_assert_max_num_queries):
    now = timezone.now()
    for at in range(60):
        status = "failed" if at == 59 else "delivered"
        _delivery(endpoint, status, created_at=now - timedelta(minutes=at))
    path = f"/webhooks/{endpoint.pk}"
    with django_assert_max_num_queries(12):
        page = _text(browser.get(path))
    seen = page.count('class="delivery is-')
    while older := re.search(r'rel="next" href="([^"]+)"', page):
        page = _text(browser.get(older[1]))
        seen += page.count('class="delivery is-')
    assert seen == 60
    assert _text(browser.get(f"{path}?status=failed")).count('class="delivery is-') == 1
    assert "No delivery matches" in _text(browser.get(f"{path}?status=cancelled"))


def test_the_secret_of_callbacks_is_made_and_their_log_shown(browser, alice):
    assert "Make a secret" in _text(browser.get("/webhooks/callbacks"))
    assert SECRET.search(_text(browser.post("/webhooks/callbacks")))
    row = alice.webhook_endpoints.get()
    delivery = _delivery(row, url="https://cms.example.org/7")
    page = _text(browser.get("/webhooks/callbacks"))
    assert "https://cms.example.org/7" in page
    answer = browser.post(f"/deliveries/{delivery.pk}/resend")
    assert answer.headers["Location"] == "/webhooks/callbacks"


def test_an_erased_delivery_says_so(browser, endpoint):
    _delivery(endpoint, "cancelled", payload="", url="")
    assert "when the image was erased" in _text(browser.get(f"/webhooks/{endpoint.pk}"))


def test_others_webhooks_do_not_exist(dora, endpoint, client_of):
    row = _delivery(endpoint)
    client = client_of(dora)
    assert client.get(f"/webhooks/{endpoint.pk}").status_code == 404
    for way in ("rotate", "switch", "delete", "resend"):
        assert client.post(f"/webhooks/{endpoint.pk}/{way}").status_code == 404
    assert client.post(f"/deliveries/{row.pk}/resend").status_code == 404
    assert "wire desk" not in _text(client.get("/webhooks"))


def test_a_hostile_description_is_text(browser):
    browser.post("/webhooks", TERMS | {"description": "<script>alert(1)</script>"})
    assert "<script>alert" not in _text(browser.get("/webhooks"))


def test_with_as_many_as_one_may_have_there_is_no_form(browser, endpoint, monkeypatch):
    monkeypatch.setattr(webhooks, "MAX_ENDPOINTS", 1)
    assert "as many as one person may" in _text(browser.get("/webhooks"))


def test_what_another_tab_deleted_in_this_moment_is_not_found(browser, endpoint, monkeypatch):
    monkeypatch.setattr(webhook_pages, "_own", lambda request, pk: endpoint)
    webhooks.delete_endpoint(by=endpoint.owner, endpoint=endpoint)
    for way in ("rotate", "switch", "delete"):
        assert browser.post(f"/webhooks/{endpoint.pk}/{way}").status_code == 404
