"""Parts of an image, from the request to the verdict, and what may go wrong on the way."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import PIL.Image
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.urls import reverse

from accounts.models import AuditEvent
from accounts.trail import life_of
from detection import detector, previews, storage, tasks
from detection.errors import Refused
from detection.models import Detection, Image, Region
from detection.services import erasure, regions, sweeping
from detection.tasks import run_detection, run_region
from ml.decoder import Decoded
from ml.errors import UnreadableImage
from tests import images
from tests.factories import WORKER, done_row, image_row, in_parallel, submitted
from tests.ml.tiny import SIZE

LEFT_HALF = (0.0, 0.0, 0.5, 1.0)
FACTS = {"format": "PNG", "width": 320, "height": 240, "orientation": 1}


def half_red(width: int = 320, height: int = 240) -> PIL.Image.Image:
    """Red at the left, green at the right: the red detector calls one half fake."""
    pixels = np.asarray(images.photo_like(width, height)).copy() // 4
    pixels[:, : width // 2, 0] += 190
    pixels[:, width // 2 :, 1] += 190
    return PIL.Image.fromarray(pixels)


@pytest.fixture
def judged(alice: Any, red_model: Any) -> Detection:
    """An image that is half red, judged as a whole."""
    detection = submitted(alice, images.encode(half_red(), "PNG")).detection
    run_detection(str(detection.pk))
    return Detection.objects.select_related("image", "model_version").get(pk=detection.pk)


@pytest.fixture
def done(alice: Any, model_version: Any) -> Detection:
    """A judged image that exists in the database only."""
    return done_row(alice, model_version, image=image_row(alice, facts=FACTS))


def ask(detection: Detection, box: Any = LEFT_HALF, by: Any = None) -> Region:
    return regions.request(by=by or detection.image.owner, detection=detection, box=box)


def refusal(detection: Detection, box: Any) -> str:
    with pytest.raises(Refused) as caught:
        ask(detection, box)
    return caught.value.code


def test_a_part_is_judged_as_a_picture_of_just_those_pixels(judged):
    before = (judged.verdict, judged.probability)
    red, green = ask(judged), ask(judged, (0.5, 0, 0.5, 1))
    for region in (red, green):
        run_region(str(region.pk))
        region.refresh_from_db()
    cut = detector.decode(judged.image)
    alone = Decoded(
        np.ascontiguousarray(cut.pixels[:, :160]), replace(cut.facts, width=160, height=240)
    )
    predictor = detector._model(judged.model_version.artifact_sha256).checked()
    assert red.probability == predictor.predict([alone])[0].probability
    assert red.verdict == "likely_manipulated"
    assert green.verdict == "likely_authentic"
    judged.refresh_from_db()
    assert (judged.verdict, judged.probability) == before


def test_it_records_who_asked_and_what_came_of_it(judged, alice):
    region = ask(judged)
    run_region(str(region.pk))
    events = AuditEvent.objects.filter(target_id=str(region.pk)).order_by("seq")
    assert [(e.action, e.actor_id) for e in events] == [
        ("region.requested", alice.pk),
        ("region.completed", None),
    ]
    assert all(e.target_sha256 == judged.image.sha256 for e in events)


def test_a_second_delivery_changes_nothing(judged):
    region = ask(judged)
    run_region(str(region.pk))
    run_region(str(region.pk))
    region.refresh_from_db()
    assert (region.attempt, region.status) == (1, "done")


def test_out_of_time_after_its_verdict_it_keeps_it(judged, monkeypatch):
    def out_of_time(*_: Any, **__: Any) -> None:
        raise SoftTimeLimitExceeded

    region = ask(judged)
    monkeypatch.setattr(previews, "write_part_preview", out_of_time)
    run_region(str(region.pk))
    region.refresh_from_db()
    assert (region.status, region.attempt) == ("done", 1)


def test_the_preview_of_a_part_holds_its_pixels_and_no_metadata(judged, client_of, alice):
    region = ask(judged)
    run_region(str(region.pk))
    answer = client_of(alice).get(reverse("region_preview", args=[region.pk]))
    path = storage.region_path(judged.image_id, region.pk)
    with PIL.Image.open(path) as shown:
        assert shown.size == (160, 240)
        assert not shown.getexif()
        red, green, _blue = np.asarray(shown).mean(axis=(0, 1))
    assert red > green
    assert answer["Content-Security-Policy"].startswith("sandbox")


def test_a_part_of_a_turned_photograph_is_cut_from_it_as_it_is_seen(alice, red_model):
    picture = half_red()  # stored lying on its side: its left becomes the top
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    detection = submitted(alice, images.encode(picture, "PNG", exif=exif)).detection
    run_detection(str(detection.pk))
    detection = Detection.objects.select_related("image").get(pk=detection.pk)
    assert detection.image.oriented_size == (240, 320)
    top, bottom = ask(detection, (0, 0, 1, 0.5)), ask(detection, (0, 0.5, 1, 0.5))
    for region in (top, bottom):
        run_region(str(region.pk))
        region.refresh_from_db()
    assert (top.verdict, bottom.verdict) == ("likely_manipulated", "likely_authentic")


@pytest.mark.parametrize(
    "box",
    [
        (-0.1, 0, 0.5, 0.5),
        (0.6, 0, 0.5, 0.5),
        (0, 0, 0, 0.5),
        (0, 0, math.nan, 0.5),
        (math.inf, 0, 0.5, 0.5),
        (0, 0, 0.5),
    ],
)
def test_it_refuses_what_does_not_lie_in_the_picture(done, box):
    assert refusal(done, box) == "region_outside"
    assert not Region.objects.exists()


def test_it_refuses_what_is_too_small_or_everything(judged):
    assert refusal(judged, (0, 0, 1 / 320, 1 / 240)) == "region_too_small"
    assert refusal(judged, (0, 0, (SIZE - 1) / 320, 1)) == "region_too_small"
    assert refusal(judged, (0, 0, 1, 1)) == "region_is_whole"
    assert ask(judged, (0, 0, SIZE / 320, 1)).width_px == SIZE


def test_two_shares_may_come_to_a_hair_more_than_one(done):
    assert ask(done, (0.1 + 0.2, 0, 0.7, 0.5)).width_px == 224


def test_it_starts_where_a_block_of_the_jpeg_does(alice, model_version):
    facts = {**FACTS, "format": "JPEG", "width": 323}
    plain = done_row(alice, model_version, image=image_row(alice, facts=facts))
    assert ask(plain, (10 / 323, 9 / 240, 0.5, 0.5)).box_px == (16, 16, 156, 113)
    facts["orientation"] = 6  # the first stored pixel lies at the right
    turned = done_row(alice, model_version, image=image_row(alice, facts=facts))
    assert ask(turned, (10 / 323, 9 / 240, 0.5, 0.5)).left_px == 11


def test_parts_need_a_verdict_of_the_whole(alice, model_version):
    queued = submitted(alice).detection
    assert refusal(queued, LEFT_HALF) == "no_parts_yet"


def test_the_same_part_is_judged_once(done, carol):
    first, again = ask(done), ask(done, (0.0004, 0, 0.5, 1), by=carol)
    assert first.pk == again.pk
    assert AuditEvent.objects.filter(action="region.requested").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_ask_at_once_get_one_row(done):
    found = in_parallel(lambda: ask(Detection.objects.get(pk=done.pk)).pk, times=4)
    assert len(set(found)) == 1
    assert Region.objects.count() == 1


def test_it_judges_so_many_parts_of_one_image(done, monkeypatch):
    monkeypatch.setattr(regions, "MOST_PER_DETECTION", 2)
    ask(done, (0, 0, 0.5, 0.5))
    ask(done, (0, 0, 0.5, 0.6))
    assert refusal(done, (0, 0, 0.5, 0.7)) == "too_many_regions"
    ask(done, (0, 0, 0.5, 0.6))  # known already


def test_it_judges_so_many_parts_for_one_person(done, monkeypatch, carol):
    monkeypatch.setattr(regions, "PER_PERSON", replace(regions.PER_PERSON, amount=1))
    ask(done)
    assert refusal(done, (0, 0, 0.5, 0.6)) == "too_many_regions_at_once"
    ask(done, (0, 0, 0.5, 0.6), by=carol)


def test_a_lost_doorbell_is_rung_again(done, bells, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        region = ask(done)
    assert bells == [[str(region.pk)]]
    Region.objects.update(rung_at=None)
    assert sweeping.sweep()["rung_for_regions"] == 1
    assert sweeping.sweep()["rung_for_regions"] == 0


def test_a_killed_worker_s_part_goes_to_another(done):
    region = ask(done)
    assert Region.objects.claim(region.pk, worker=WORKER)
    assert Region.objects.claim(region.pk, worker="other") is None
    Region.objects.update(lease_until="2020-01-01T00:00Z")
    second = Region.objects.claim(region.pk, worker="other")
    assert second is not None
    assert second.attempt == 2


def test_one_that_was_overtaken_writes_nothing(done):
    region = ask(done)
    first = Region.objects.claim(region.pk, worker=WORKER)
    Region.objects.update(lease_until="2020-01-01T00:00Z")
    second = Region.objects.claim(region.pk, worker="other")
    assert not first.complete(verdict="inconclusive")
    assert second.complete(verdict="likely_authentic", probability=0.1)
    assert not first.fail("corrupt")


def test_it_gives_up_after_the_last_attempt(done):
    region = ask(done)
    Region.objects.update(status="running", attempt=3, lease_until="2020-01-01T00:00Z")
    assert sweeping.sweep()["failed"] == 1
    region.refresh_from_db()
    assert (region.status, region.failure_code) == ("failed", "attempts_exhausted")


def test_a_crash_is_tried_again_and_damage_is_not(done, monkeypatch):
    codes = iter(["decoder_crashed", "truncated"])

    def judge(*_: Any) -> None:
        raise UnreadableImage(next(codes))

    monkeypatch.setattr(tasks.detector, "judge_part", judge)
    region = ask(done)
    run_region(str(region.pk))
    region.refresh_from_db()
    assert (region.status, region.attempt) == ("queued", 1)
    run_region(str(region.pk))
    region.refresh_from_db()
    assert (region.status, region.failure_code) == ("failed", "truncated")
    assert not regions.retry(by=done.image.owner, region=region)


def test_one_that_failed_in_passing_is_tried_again_on_request(done):
    region = ask(done)
    Region.objects.claim(region.pk, worker=WORKER).fail("decoder_timeout")
    again = ask(done)
    again.refresh_from_db()
    assert (again.pk, again.status, again.failure_code) == (region.pk, "queued", "")
    assert Region.objects.claim(region.pk, worker=WORKER).attempt == 2
    assert AuditEvent.objects.filter(action="region.retried").count() == 1


def test_erased_while_it_is_judged_nothing_comes_back(judged, monkeypatch, alice):
    region = ask(judged)
    real = detector.judge_part

    def judge(*args: Any) -> detector.Judgement:
        judgement = real(*args)
        with transaction.atomic():
            erasure.erase_image(by=alice, image=judged.image)
        storage.erase(judged.image_id)
        return judgement

    monkeypatch.setattr(tasks.detector, "judge_part", judge)
    run_region(str(region.pk))
    assert not Region.objects.exists()
    assert not storage.region_path(judged.image_id, region.pk).exists()


def test_erasing_removes_rows_and_pictures(judged, alice, django_capture_on_commit_callbacks):
    region = ask(judged)
    run_region(str(region.pk))
    path = storage.region_path(judged.image_id, region.pk)
    assert path.exists()
    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase_image(by=alice, image=judged.image)
    assert not path.exists()
    assert not Region.objects.exists()


def test_its_events_are_in_the_life_of_its_image_also_of_an_erased_one(
    done, alice, bob, model_version
):
    part = ask(done)
    twin = done_row(bob, model_version, image=image_row(bob, facts=FACTS))
    Image.objects.filter(pk=twin.image_id).update(sha256=done.image.sha256)
    twin.image.refresh_from_db()
    ask(twin)

    def parts(*target: str) -> list[str]:
        events = life_of(*target).filter(target_type="region")
        return list(events.values_list("target_id", flat=True))

    assert parts("image", str(done.image_id)) == [str(part.pk)]
    assert life_of("region", str(part.pk)).filter(target_type="region").count() == 1
    erasure.erase_image(by=alice, image=done.image)
    assert parts("image", str(done.image_id)) == [str(part.pk)]
    events = life_of("region", str(part.pk)).values_list("action", flat=True)
    assert {"region.requested", "image.erased"} <= set(events)
    assert parts("region", "nonsense") == []


def test_a_part_of_an_erased_image_cannot_be_asked_for(done):
    Image.objects.filter(pk=done.image_id).update(erased_at="2026-01-01T00:00Z")
    assert refusal(done, LEFT_HALF) == "erased_meanwhile"
