"""Webhooks for machines: one's own alone, with a key that may, each secret shown once."""

import ipaddress
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from detection.models import WebhookDelivery, WebhookEndpoint
from detection.services import webhooks
from detection.services.delivering import Outcome
from tests.hostile_addresses import INSIDE

pytestmark = pytest.mark.django_db
PATH = "/api/v1/webhooks"
TERMS = {"url": "https://cms.example.org/hooks", "events": ["detection.completed"]}


@pytest.fixture
def ask(alice, key_of: Callable[..., str]) -> Callable[..., Any]:
    """A request with a key of hers, its body in JSON."""
    client = Client(headers={"Authorization": f"Bearer {key_of(alice, 'webhooks:write')}"})

    def send(method: str, path: str, body: Any = None) -> Any:
        data = "" if body is None else json.dumps(body)
        return client.generic(method, path, data, "application/json")

    return send


@pytest.fixture
def endpoint(alice) -> WebhookEndpoint:
    return webhooks.add_endpoint(by=alice, **TERMS)[0]


def _deliveries(endpoint: WebhookEndpoint, *statuses: str) -> list[WebhookDelivery]:
    return [
        WebhookDelivery.objects.create(
            endpoint=endpoint,
            url=endpoint.url or TERMS["url"],
            event="detection.completed",
            payload='{"type":"detection.completed"}',
            status=status,
            created_at=timezone.now() - timedelta(seconds=at),
        )
        for at, status in enumerate(statuses)
    ]


def test_the_secret_is_in_the_answer_to_the_making_and_in_no_other(ask, alice):
    made = ask("POST", PATH, TERMS)
    body = made.json()
    assert (made.status_code, "no-store" in made.headers["Cache-Control"]) == (201, True)
    row = alice.webhook_endpoints.get()
    assert row.signing_secrets() == [body.pop("secret")]
    assert made.headers["Location"].endswith(f"{PATH}/{row.pk}")
    for path in (PATH, f"{PATH}/{row.pk}"):
        assert "whsec" not in ask("GET", path).content.decode()
    assert ask("GET", f"{PATH}/{row.pk}").json() == body
    assert ask("GET", PATH).json() == {"results": [body]}
    assert (body["enabled"], body["disabled_because"], body["url"]) == (True, None, TERMS["url"])


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"url": ""}, "url"),
        ({"url": "ftp://cms.example.org/"}, "url"),
        ({"url": "https://user:word@cms.example.org/"}, "url"),
        ({"url": "https://cms.example.org:25/"}, "url"),
        ({"url": "https://e.org/" + "x" * 2000}, "url"),
        ({"events": []}, "events"),
        ({"events": ["everything"]}, "events"),
        ({"events": "detection.completed"}, "events"),
        ({"events": ["\ud800"]}, "events"),
        ({"events": "\ud800"}, "events"),
        ({"\ud800": 1}, "\\ud800"),
        ({"description": "d" * 201}, "description"),
        ({"ulr": "https://cms.example.org/"}, "ulr"),
        ({"secret": "whsec_mine"}, "secret"),
    ],
)
def test_what_makes_no_endpoint_says_which_field(ask, alice, endpoint, changed, field):
    for method, path in (("POST", PATH), ("PATCH", f"{PATH}/{endpoint.pk}")):
        answer = ask(method, path, TERMS | changed)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert {error["field"].split(".")[0] for error in answer.json()["errors"]} == {field}
    assert alice.webhook_endpoints.get() == endpoint


@pytest.mark.parametrize("url", INSIDE)
def test_an_address_inside_is_refused_before_anything_is_sent_there(ask, alice, endpoint, url):
    for method, path in (("POST", PATH), ("PATCH", f"{PATH}/{endpoint.pk}")):
        answer = ask(method, path, TERMS | {"url": url})
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["field"]) == (400, "url")
        assert error["code"] == "address_refused"
        assert "does not connect" in error["detail"]
    assert alice.webhook_endpoints.get() == endpoint


def test_a_network_that_the_operator_allows_is_taken(ask, settings):
    settings.OUTBOUND_ALLOW = [ipaddress.ip_network("10.1.0.0/16")]
    assert ask("POST", PATH, TERMS | {"url": "http://10.1.2.3/hook"}).status_code == 201
    assert ask("POST", PATH, TERMS | {"url": "http://10.2.2.3/hook"}).status_code == 400


@pytest.mark.parametrize("body", [[], "text", None, 7])
def test_a_body_that_is_no_object_is_refused(ask, body):
    answer = ask("POST", PATH, body)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")


def test_a_part_can_be_changed_and_the_rest_stays(ask, endpoint):
    path = f"{PATH}/{endpoint.pk}"
    changed = ask("PATCH", path, {"description": "wire"}).json()
    assert (changed["description"], changed["url"]) == ("wire", TERMS["url"])
    off = ask("PATCH", path, {"enabled": False}).json()
    assert (off["enabled"], off["disabled_because"]) == (False, "owner")
    assert ask("PATCH", path, {"enabled": True}).json()["enabled"] is True


def test_a_rotation_gives_the_new_secret(ask, endpoint):
    (old,) = endpoint.signing_secrets()
    answer = ask("POST", f"{PATH}/{endpoint.pk}/rotate").json()
    endpoint.refresh_from_db()
    assert endpoint.signing_secrets() == [answer["secret"], old]
    assert answer["previous_secret_until"] is not None


def test_the_secret_of_callbacks_comes_by_rotation(ask, alice):
    answer = ask("POST", f"{PATH}/callbacks/rotate")
    row = alice.webhook_endpoints.get(is_for_callbacks=True)
    assert row.signing_secrets()[0] == answer.json()["secret"]
    assert ask("GET", PATH).json() == {"results": []}
    assert ask("GET", f"{PATH}/{row.pk}").status_code == 404
    _deliveries(row, "delivered")
    assert len(ask("GET", f"{PATH}/callbacks/deliveries").json()["results"]) == 1


def test_a_deleted_endpoint_is_gone(ask, endpoint):
    path = f"{PATH}/{endpoint.pk}"
    (delivery,) = _deliveries(endpoint, "failed")
    assert ask("DELETE", path).status_code == 204
    for method, where in (
        ("GET", path),
        ("DELETE", path),
        ("POST", f"{path}/rotate"),
        ("GET", f"{path}/deliveries"),
        ("POST", f"{PATH}/deliveries/{delivery.pk}/resend"),
    ):
        assert ask(method, where).status_code == 404


def test_deliveries_come_in_pages_and_by_status(ask, endpoint):
    rows = _deliveries(endpoint, *["delivered"] * 55, "failed")
    path = f"{PATH}/{endpoint.pk}/deliveries"
    first = ask("GET", path).json()
    second = ask("GET", f"{path}?cursor={first['next']}").json()
    listed = [row["id"] for row in first["results"] + second["results"]]
    assert listed == [str(row.pk) for row in rows]
    assert (len(first["results"]), second["next"]) == (50, None)
    (failed,) = ask("GET", f"{path}?status=failed").json()["results"]
    assert (failed["webhook_id"], failed["payload"]["type"]) == (
        f"msg_{rows[-1].pk.hex}",
        "detection.completed",
    )
    for wrong in ("status=lost", "cursor=x"):
        assert ask("GET", f"{path}?{wrong}").status_code == 400


def test_an_attempts_time_ends_as_all_times_of_the_api_do(ask, endpoint):
    (delivery,) = _deliveries(endpoint, "failed")
    attempt = Outcome(None, "timeout", 15_000).as_row()
    WebhookDelivery.objects.filter(pk=delivery.pk).update(attempts=[attempt])
    (row,) = ask("GET", f"{PATH}/{endpoint.pk}/deliveries").json()["results"]
    (said,) = row["attempts"]
    assert said["at"].endswith("Z")
    assert row["created_at"].endswith("Z")
    assert datetime.fromisoformat(said["at"]) == datetime.fromisoformat(attempt["at"])


def test_what_failed_is_sent_again_and_what_arrived_is_not(ask, endpoint):
    failed, delivered = _deliveries(endpoint, "failed", "delivered")
    answer = ask("POST", f"{PATH}/deliveries/{failed.pk}/resend")
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    answer = ask("POST", f"{PATH}/deliveries/{delivered.pk}/resend")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_resendable")


def test_one_endpoint_too_many_is_a_conflict(ask, alice, monkeypatch, endpoint):
    monkeypatch.setattr(webhooks, "MAX_ENDPOINTS", 1)
    answer = ask("POST", PATH, TERMS)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")


def test_neither_a_session_nor_another_scope_is_enough(alice, client_of, key_of, endpoint):
    other = Client(headers={"Authorization": f"Bearer {key_of(alice, 'detections:write')}"})
    for client in (client_of(alice), other):
        for path in (PATH, f"{PATH}/{endpoint.pk}"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_others_endpoints_are_as_ones_that_never_were(bob, key_of, endpoint):
    (delivery,) = _deliveries(endpoint, "failed")
    client = Client(headers={"Authorization": f"Bearer {key_of(bob, 'webhooks:write')}"})
    for path in (f"{PATH}/{endpoint.pk}", f"{PATH}/{endpoint.pk}/deliveries"):
        assert client.get(path).status_code == 404
    assert client.post(f"{PATH}/deliveries/{delivery.pk}/resend").status_code == 404
    assert client.get(PATH).json() == {"results": []}


def test_a_submission_may_name_a_callback(alice, client_of, model_version, photo):
    data = {"image": photo, "callback_url": "https://cms.example.org/7?token=x"}
    assert client_of(alice).post("/api/v1/detections", data).status_code == 202
    assert alice.submissions.get().callback_url == data["callback_url"]
    assert alice.webhook_endpoints.get().is_for_callbacks


def test_a_callback_that_is_no_address_is_refused_and_nothing_kept(
    alice, client_of, model_version, photo
):
    data = {"image": photo, "callback_url": "https://user:word@cms.example.org/"}
    answer = client_of(alice).post("/api/v1/detections", data)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "callback_url")
    assert not alice.submissions.exists()


@pytest.mark.parametrize("path", ["/api/v1/detections", "/api/v1/detections/batch"])
def test_a_callback_that_leads_inside_is_refused_and_nothing_kept(
    alice, client_of, model_version, photo, path
):
    field = "images" if path.endswith("batch") else "image"
    answer = client_of(alice).post(path, {field: photo, "callback_url": "http://2130706433/"})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (400, "callback_url")
    assert error["code"] == "address_refused"
    assert not alice.submissions.exists()
