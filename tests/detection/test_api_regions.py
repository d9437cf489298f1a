"""`/api/v1/detections/{id}/regions`."""

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from detection.models import Detection, Region
from detection.services import regions
from tests.factories import WORKER, detection_row, done_row, image_row

FACTS = {"format": "PNG", "width": 320, "height": 240, "orientation": 1}
BOX = [0.5, 0.0, 0.5, 0.5]


@pytest.fixture
def done(alice: Any, model_version: Any) -> Detection:
    return done_row(alice, model_version, image=image_row(alice, facts=FACTS))


@pytest.fixture
def api(alice: Any, key_of: Any) -> Client:
    return Client(headers={"Authorization": f"Bearer {key_of(alice)}"})


def address(detection: Detection) -> str:
    return f"/api/v1/detections/{detection.pk}/regions"


def post(api: Client, detection: Detection, body: Any, **headers: str) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    return api.post(address(detection), text, content_type="application/json", headers=headers)


def test_a_part_is_accepted_and_can_be_asked_for(api, done):
    answer = post(api, done, {"box": BOX})
    assert answer.status_code == 202
    assert answer["Retry-After"] == "1"
    body = answer.json()
    assert body["box"] == BOX
    assert body["box_px"] == [160, 0, 160, 120]
    assert (body["status"], body["verdict"]) == ("queued", None)
    again = api.get(answer["Location"])
    assert again.status_code == 200
    assert again.json() == body
    assert api.get(address(done)).json() == {"results": [body]}


def test_a_judged_part_is_answered_at_once(api, done, alice):
    region = regions.request(by=alice, detection=done, box=BOX)
    claim = Region.objects.claim(region.pk, worker=WORKER)
    claim.complete(verdict="likely_authentic", probability=0.1, transforms={"jpeg_85": 0.2})
    answer = post(api, done, {"box": BOX}, Prefer="wait=5")
    assert answer.status_code == 200
    assert answer["Preference-Applied"] == "wait=5"
    assert answer.json()["verdict"] == "likely_authentic"
    assert answer.json()["transforms"] == {"jpeg_85": 0.2}
    assert "Retry-After" not in answer


def test_the_answer_is_held_until_the_verdict(api, done, monkeypatch):
    def wait(pk: uuid.UUID, seconds: float) -> bool:
        claim = Region.objects.claim(pk, worker=WORKER)
        assert claim is not None
        return claim.complete(verdict="likely_manipulated", probability=0.95)

    monkeypatch.setattr("detection.waiting.wait_for_end", wait)
    answer = post(api, done, {"box": BOX}, Prefer="wait=5")
    assert answer.status_code == 200
    assert answer.json()["probability"] == 0.95


def test_one_that_failed_says_why(api, done, alice):
    region = regions.request(by=alice, detection=done, box=BOX)
    Region.objects.claim(region.pk, worker=WORKER).fail("truncated")
    body = api.get(f"{address(done)}/{region.pk}").json()
    assert body["status"] == "failed"
    assert body["failure"]["code"] == "truncated"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"box": [0, 0, 1]},
        {"box": [0, 0, 1, 2]},
        {"box": ["0", 0, 0.5, 0.5]},
        {"box": [True, 0, 0.5, 0.5]},
        {"box": [None, 0, 0.5, 0.5]},
        {"box": "0,0,1,1"},
        {"box": BOX, "by": 1},
        '{"box": [NaN, 0, 0.5, 0.5]}',
        '{"box": [Infinity, 0, 0.5, 0.5]}',
        "[0, 0, 1, 1]",
    ],
)
def test_what_is_no_box_is_refused(api, done, body):
    assert post(api, done, body).status_code == 400
    assert not Region.objects.exists()


@pytest.mark.parametrize(
    ("box", "code"),
    [
        ([0.6, 0, 0.5, 0.5], "region_outside"),
        ([0, 0, 0.001, 0.5], "region_too_small"),
        ([0, 0, 1, 1], "region_is_whole"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_sentence(api, done, box, code):
    answer = post(api, done, {"box": box})
    assert answer.status_code == 422
    assert answer.json()["code"] == code
    assert answer.json()["detail"]


def test_a_detection_without_verdict_has_no_parts(api, alice, model_version):
    answer = post(api, detection_row(alice, model_version), {"box": BOX})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_parts_yet")


def test_another_detections_part_is_not_found_here(api, done, alice, model_version):
    region = regions.request(by=alice, detection=done, box=BOX)
    other = done_row(alice, model_version)
    assert api.get(f"{address(other)}/{region.pk}").status_code == 404


def test_strangers_find_nothing(done, alice, bob, key_of):
    region = regions.request(by=alice, detection=done, box=BOX)
    stranger = Client(headers={"Authorization": f"Bearer {key_of(bob)}"})
    assert post(stranger, done, {"box": BOX}).status_code == 404
    assert stranger.get(address(done)).status_code == 404
    assert stranger.get(f"{address(done)}/{region.pk}").status_code == 404


def test_a_key_that_only_reads_asks_for_nothing(done, alice, key_of):
    reader = Client(headers={"Authorization": f"Bearer {key_of(alice, 'detections:read')}"})
    assert post(reader, done, {"box": BOX}).status_code == 403
    assert reader.get(address(done)).status_code == 200
