"""The parts of a picture on the detection's page."""

from typing import Any

import pytest
from django.urls import reverse

from detection import own_data, previews, region_presentation, storage
from detection.models import Detection, Region
from detection.services import regions
from tests import images, screenshots
from tests.factories import WORKER, done_row, image_row

FACTS = {"format": "PNG", "width": 800, "height": 600, "orientation": 1}
LEFT = {"left": "0", "top": "0", "width": "50", "height": "100"}


@pytest.fixture
def done(alice: Any, model_version: Any) -> Detection:
    faces = [{"box": [0.4, 0.4, 0.1, 0.2], "probability": 0.5}]
    return done_row(alice, model_version, image=image_row(alice, facts=FACTS), faces=faces)


@pytest.fixture
def alices(alice: Any, client_of: Any) -> Any:
    return client_of(alice)


def page(client: Any, detection: Detection) -> str:
    return client.get(reverse("detection", args=[detection.pk])).content.decode()


def post(client: Any, detection: Detection, fields: dict[str, str]) -> str:
    address = reverse("detection_regions", args=[detection.pk])
    return client.post(address, fields, follow=True).content.decode()


def test_four_numbers_ask_for_a_part(alices, done):
    shown = post(alices, done, LEFT)
    assert Region.objects.get().box_px == (0, 0, 400, 600)
    assert "Being checked…" in shown
    assert "0\N{NO-BREAK SPACE}% from the left" in shown


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "-1", "101"])
def test_other_numbers_are_refused_in_a_sentence(alices, done, value):
    assert "notice-error" in post(alices, done, {**LEFT, "left": value})
    assert not Region.objects.exists()


def test_a_refusal_says_how_large_a_part_must_be(alices, done):
    done.model_version.operating_point["min_side_px"] = 96
    done.model_version.save()
    shown = post(alices, done, {**LEFT, "width": "1"})
    assert "8 × 600\u2069 pixels; each side needs 96" in shown


def test_a_verdict_of_a_part_stands_with_number_reason_and_limits(alices, done, alice):
    region = regions.request(by=alice, detection=done, box=(0, 0, 0.5, 1))
    Region.objects.claim(region.pk, worker=WORKER).complete(
        verdict="inconclusive", probability=0.95, reasons=["unstable"], transforms={"jpeg_85": 0.1}
    )
    card = alices.get(reverse("region_card", args=[region.pk])).content.decode()
    assert 'data-finished="yes"' in card
    assert "Cannot tell" in card
    assert "95\N{NO-BREAK SPACE}%" in card
    assert "The answer changes when the picture is merely re-saved" in card
    assert "Re-saved or reduced copies of this part get different answers." in card
    assert "The verdict of the whole image stays." in card


def test_a_part_that_failed_in_passing_can_be_tried_again(alices, done, alice):
    region = regions.request(by=alice, detection=done, box=(0, 0, 0.5, 1))
    Region.objects.claim(region.pk, worker=WORKER).fail("decoder_timeout")
    assert "Try again" in page(alices, done)
    alices.post(reverse("region_retry", args=[region.pk]))
    region.refresh_from_db()
    assert region.status == "queued"


def test_each_face_is_offered_with_its_surroundings(alices, done):
    assert "Judge face 1 with its surroundings" in page(alices, done)
    offer = region_presentation.parts(done).faces[0]
    post(alices, done, offer.box)
    assert Region.objects.get().box_px == (210, 150, 300, 300)
    assert "Judge face 1 with its surroundings" not in page(alices, done)


def test_a_face_that_is_too_small_is_not_offered(done):
    done.model_version.operating_point["min_side_px"] = 301
    assert region_presentation.parts(done).faces == []


def test_the_photograph_inside_a_screenshot_is_offered(alices, done):
    picture, box = screenshots.phone(images.photo_like(800, 600, seed=3), "light")
    facts = {**FACTS, "width": picture.width, "height": picture.height}
    done.image.facts = facts
    done.image.save()
    path = storage.preview_path(done.image_id, previews.PREVIEW_SIDES[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(images.encode(picture, "JPEG", quality=85))
    assert "Judge the photograph inside" in page(alices, done)
    post(alices, done, region_presentation.parts(done).photograph.box)
    found = Region.objects.get().box_px
    assert all(abs(one - other) <= 6 for one, other in zip(found, box, strict=True))
    assert "Judge the photograph inside" not in page(alices, done)


def test_without_a_preview_nothing_is_offered(done):
    assert region_presentation.parts(done).photograph is None


def test_when_there_is_no_room_the_page_says_so(alices, done, alice, monkeypatch):
    monkeypatch.setattr(regions, "MOST_PER_DETECTION", 1)
    regions.request(by=alice, detection=done, box=(0, 0, 0.5, 1))
    shown = page(alices, done)
    assert "Choose a part yourself" not in shown
    assert "as many as this desk judges of one image" in shown


def test_strangers_find_no_part(done, alice, bob, client_of):
    region = regions.request(by=alice, detection=done, box=(0, 0, 0.5, 1))
    stranger = client_of(bob)
    for name in ("region_card", "region_preview"):
        assert stranger.get(reverse(name, args=[region.pk])).status_code == 404
    assert stranger.post(reverse("region_retry", args=[region.pk])).status_code == 404
    address = reverse("detection_regions", args=[done.pk])
    assert stranger.post(address, LEFT).status_code == 404


def test_a_persons_own_data_list_the_parts(done, alice):
    regions.request(by=alice, detection=done, box=(0, 0, 0.5, 1))
    (row,) = own_data._region_rows(alice)
    assert row["box_px"] == (0, 0, 400, 600)
