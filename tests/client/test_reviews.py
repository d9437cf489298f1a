"""`desk.reviews`: the review desk from Python, against this application."""

from collections.abc import Iterator

import httpx
import pytest
from django.test import Client

from client.errors import DeskError
from client.server import Desk
from tests.factories import done_row
from tests.review_desk import opened

pytestmark = pytest.mark.usefixtures("passed_on", "strict", "model_version")


@pytest.fixture
def desk(carol, key_of) -> Iterator[Desk]:
    """A moderator's."""
    with Desk("http://desk", key_of(carol), transport=httpx.MockTransport(_answer)) as desk:
        yield desk


def _answer(request: httpx.Request) -> httpx.Response:
    """What the application answers, without a server between."""
    kind = request.headers.get("Content-Type", "application/octet-stream")
    kept = {name: request.headers.get(name, "") for name in ("Authorization", "Idempotency-Key")}
    kept = {name: value for name, value in kept.items() if value}
    address = request.url.raw_path.decode()
    answer = Client().generic(
        request.method, address, request.read(), content_type=kind, headers=kept
    )
    headers = {name: value for name, value in answer.items() if name != "Content-Length"}
    return httpx.Response(answer.status_code, headers=headers, content=answer.content)


def test_an_item_is_taken_decided_and_taken_back(desk, alice, model_version):
    item = opened(alice, model_version)
    found = desk.reviews.next()
    assert (found["id"], found["claim"]["is_mine"]) == (str(item.pk), True)
    said = {"outcome": "manipulated", "reason": "visible_traces", "note": "The shadow."}
    decision = desk.reviews.decide(found["id"], **said)
    assert decision["outcome"] == "manipulated"
    assert desk.reviews.next() is None
    assert [one["id"] for one in desk.reviews.list(status="closed")] == [found["id"]]
    assert desk.reviews.undo(decision)["status"] == "open"
    assert desk.reviews.release(found["id"])["claim"] is None
    assert desk.reviews.claim(found["id"])["claim"]["is_mine"]
    assert desk.reviews.escalate(found["id"], note="The ear.")["is_escalated"]
    assert desk.reviews.skip(found["id"])["status"] == "open"
    assert desk.reviews.read(found["id"])["escalations"][0]["note"] == "The ear."


def test_a_refusal_has_its_code_and_its_sentence(desk, carol, model_version):
    item = opened(carol, model_version)
    with pytest.raises(DeskError) as refused:
        desk.reviews.claim(str(item.pk))
    assert refused.value.code == "own_review"
    assert "own image" in refused.value.detail


def test_a_detection_is_brought_to_the_desk(desk, alice, model_version):
    row = done_row(alice, model_version)
    state = desk.request_review(str(row.pk))["review"]
    assert (state["status"], state["reasons"]) == ("open", ["flagged"])
    assert desk.reviews.next()["detection"] == str(row.pk)
