"""Layers of evidence: one row for whoever asks, drawn once, seen with the image, and erased."""

import os
import socket
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image as Picture

from accounts.models import AuditEvent
from detection import detector, storage, tasks
from detection.errors import Refused
from detection.evidence.methods import METHODS
from detection.layer_presentation import LAID
from detection.layer_words import LAYERS, findings
from detection.models import Detection, EvidenceLayer, Image
from detection.services import erasure, layers, leases, sweeping
from ml.errors import DecoderUnavailable, UnreadableImage
from tests import images
from tests.factories import files_below, image_row, in_parallel, submitted

pytestmark = pytest.mark.django_db
WORKER = "test:1:1"
AGO = timedelta(minutes=10)


@pytest.fixture
def image(alice: Any, model_version: Any) -> Image:
    return submitted(alice).image


@pytest.fixture
def detection(alice: Any, model_version: Any, fake_judgement: Any) -> Detection:
    """Judged, with previews."""
    row = submitted(alice).detection
    tasks.run_detection(str(row.pk))
    row.refresh_from_db()
    return row


def _drawn(image: Image, kind: str = "noise") -> EvidenceLayer:
    row = layers.ask(image=image, kind=kind)
    tasks.draw_layer(str(row.pk))
    row.refresh_from_db()
    return row


def _failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def decode(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(detector, "decode", decode)


# --- words and methods


def test_each_kind_has_a_method_words_and_a_place():
    kinds = set(EvidenceLayer.Kind.values)
    assert kinds == set(METHODS) == set(LAID) == set(LAYERS) - {"activation"}


def test_each_layer_says_in_one_sentence_how_to_read_it_and_when_it_misleads():
    for said in LAYERS.values():
        for sentence in (str(said.reads), str(said.misleads)):
            assert sentence.endswith(".")
            assert ". " not in sentence


def test_error_levels_are_never_called_proof():
    assert "no proof" in str(LAYERS["ela"].misleads)


@pytest.mark.parametrize("answer", ["yes", "no", "unknown"])
@pytest.mark.parametrize("earlier", [None, 70])
def test_the_history_of_a_file_is_said_with_care(answer, earlier):
    figures = {
        "usual_grid": [0, 0],
        "with_usual_grid": 10,
        "cells": 12,
        "with_other_grid": 1,
        "was_saved_before": answer,
        "earlier_quality": earlier,
    }
    assert len(findings("grid", figures)) == 3


def test_many_pairs_are_said_to_mean_little():
    pair = {"box": [0, 0, 8, 8], "shift": [40, 0], "area": 0.01}
    assert [len(findings("clones", {"pairs": [pair] * n})) for n in (0, 1, 3, 4)] == [1, 1, 1, 2]


# --- asking


def test_asking_rings_once_and_makes_one_row(image, bells, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        rows = [layers.ask(image=image, kind="ela") for _ in range(2)]
    assert rows[0] == rows[1]
    assert bells == [[str(rows[0].pk)]]


@pytest.mark.django_db(transaction=True)
def test_two_tabs_at_once_make_one_row(image):
    in_parallel(lambda: layers.ask(image=image, kind="ela"), times=4)
    assert EvidenceLayer.objects.count() == 1


def test_the_database_holds_one_row_for_each_method(alice):
    image = image_row(alice)
    EvidenceLayer.objects.create(image=image, kind="ela", version=1)
    EvidenceLayer.objects.create(image=image, kind="ela", version=2)
    with pytest.raises(IntegrityError):
        EvidenceLayer.objects.create(image=image, kind="ela", version=1)


def test_nothing_is_asked_about_an_erased_image(image, alice):
    erasure.erase_image(by=alice, image=image)
    with pytest.raises(Refused):
        layers.ask(image=image, kind="ela")


def test_asking_records_no_event(image):
    before = AuditEvent.objects.count()
    _drawn(image)
    assert AuditEvent.objects.count() == before


def test_a_lost_file_is_drawn_again(image):
    row = _drawn(image)
    storage.layer_path(image.pk, row.kind, row.version).unlink()
    again = layers.ask(image=image, kind="noise")
    assert (again.pk, again.status) == (row.pk, "queued")
    tasks.draw_layer(str(row.pk))
    again.refresh_from_db()
    assert layers.is_there(again)


@pytest.mark.parametrize(("code", "status"), [("layer_timeout", "queued"), ("corrupt", "failed")])
def test_only_what_may_pass_is_tried_again(image, code, status):
    row = layers.ask(image=image, kind="ela")
    EvidenceLayer.objects.filter(pk=row.pk).update(status="failed", failure_code=code, attempt=3)
    assert layers.ask(image=image, kind="ela").status == status


def test_an_attempt_from_before_cannot_end_what_was_asked_again(image):
    row = layers.ask(image=image, kind="ela")
    stale = EvidenceLayer.objects.claim(row.pk, worker=WORKER)
    EvidenceLayer.objects.filter(pk=row.pk).update(status="failed", failure_code="layer_timeout")
    layers.ask(image=image, kind="ela")
    assert EvidenceLayer.objects.claim(row.pk, worker=WORKER).attempt == 2
    assert not stale.complete({})


# --- drawing


@pytest.mark.any_database
@pytest.mark.parametrize("kind", METHODS)
def test_each_layer_is_drawn(image, kind):
    row = _drawn(image, kind)
    assert (row.status, row.failure_code, row.attempt) == ("done", "", 1)
    assert findings(kind, row.figures)
    with Picture.open(storage.layer_path(image.pk, kind, row.version), formats=["PNG"]) as png:
        png.load()
        assert png.info == {}


@pytest.mark.any_database
@pytest.mark.parametrize("kind", ["ela", "grid"])
@pytest.mark.parametrize("name", sorted(images.ACCEPTED))
def test_every_accepted_kind_of_image_is_drawn_or_said_to_be_too_small(
    alice, model_version, kind, name
):
    image = submitted(alice, images.ACCEPTED[name]()).image
    row = _drawn(image, kind)
    assert (row.status, row.failure_code) in {("done", ""), ("failed", "layer_too_small")}


@pytest.mark.any_database
@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("size", [(1, 1000), (1000, 1), (1000, 70)])
def test_narrow_pictures_are_drawn_or_said_to_be_too_small(alice, model_version, kind, size):
    row = _drawn(submitted(alice, images.jpeg_bytes(*size)).image, kind)
    assert (row.status, row.failure_code) in {("done", ""), ("failed", "layer_too_small")}


@pytest.mark.any_database
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_keeps_the_grid_of_its_file(alice, model_version, orientation):
    """Its blocks are counted from the stored corner, which turning would move."""
    exif = Picture.Exif()
    exif[0x0112] = orientation
    data = images.jpeg_bytes(323, 261, quality=80, exif=exif)
    row = _drawn(submitted(alice, data).image, "grid")
    assert row.figures["usual_grid"] == [0, 0]
    assert row.figures["with_usual_grid"] == row.figures["cells"]
    with Picture.open(
        storage.layer_path(row.image_id, "grid", row.version), formats=["PNG"]
    ) as png:
        assert png.size == ((323, 261) if orientation < 5 else (261, 323))


@pytest.mark.any_database
def test_every_pixel_is_looked_at_and_not_a_reduced_copy(alice, model_version):
    row = _drawn(submitted(alice, images.jpeg_bytes(4200, 2200, quality=75)).image, "grid")
    assert row.figures["cells"] == (4200 // 64) * (2200 // 64)
    assert row.figures["quality"] == 75


def test_a_repeated_delivery_draws_once(image, monkeypatch):
    row = _drawn(image)
    _failing(monkeypatch, AssertionError("drawn again"))
    tasks.draw_layer(str(row.pk))
    assert EvidenceLayer.objects.get().attempt == 1


def test_an_unknown_id_does_nothing(db):
    tasks.draw_layer(str(uuid.uuid4()))


@pytest.mark.parametrize(
    "error",
    [UnreadableImage("corrupt"), detector.OriginalMissing("x"), UnreadableImage("truncated")],
)
def test_what_cannot_be_decoded_fails_with_a_code(image, monkeypatch, error):
    _failing(monkeypatch, error)
    row = _drawn(image)
    assert (row.status, row.failure_code) == ("failed", error.code)


@pytest.mark.parametrize(
    "error", [UnreadableImage("decoder_crashed"), DecoderUnavailable("decoder_not_started", "")]
)
def test_a_crash_is_tried_again_and_then_fails(image, monkeypatch, bells, error):
    _failing(monkeypatch, error)
    row = _drawn(image)
    assert (row.status, bells[-1]) == ("queued", [str(row.pk)])
    for _ in range(3):
        tasks.draw_layer(str(row.pk))
    row.refresh_from_db()
    assert (row.status, row.failure_code, row.attempt) == ("failed", error.code, 3)


def test_what_takes_too_long_fails_and_may_be_tried_again(image, monkeypatch):
    _failing(monkeypatch, SoftTimeLimitExceeded())
    row = _drawn(image)
    assert (row.status, row.failure_code) == ("failed", "layer_timeout")


def test_a_time_limit_ends_only_what_this_process_holds(image):
    row = layers.ask(image=image, kind="ela")
    EvidenceLayer.objects.claim(row.pk, worker="another:2:2")
    layers.give_up(row.pk, "layer_timeout", worker=WORKER)
    row.refresh_from_db()
    assert row.status == "running"


# --- sweeping


def test_a_lost_doorbell_is_rung_again(image, bells):
    row = layers.ask(image=image, kind="ela")
    EvidenceLayer.objects.update(rung_at=timezone.now() - AGO)
    bells.clear()
    assert sweeping.sweep()["rung_for_layers"] == 1
    assert bells == [[str(row.pk)]]
    assert sweeping.sweep()["rung_for_layers"] == 0


def test_a_row_whose_last_lease_ran_out_fails(image):
    row = layers.ask(image=image, kind="ela")
    EvidenceLayer.objects.claim(row.pk, worker=WORKER)
    past = timezone.now() - AGO
    EvidenceLayer.objects.update(attempt=3, lease_until=past)
    assert sweeping.sweep()["failed"] == 1
    row.refresh_from_db()
    assert (row.status, row.failure_code) == ("failed", "attempts_exhausted")


def test_the_lease_of_a_dead_process_is_freed(image):
    row = layers.ask(image=image, kind="ela")
    dead = f"{socket.gethostname()}:{os.getpid()}:0"  # started at another time
    EvidenceLayer.objects.claim(row.pk, worker=dead)
    assert leases.free_dead_leases() == 1
    assert EvidenceLayer.objects.claim(row.pk, worker=WORKER) is not None


# --- erasure


def test_an_erased_image_takes_rows_and_files_along(
    image, alice, django_capture_on_commit_callbacks
):
    _drawn(image)
    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase_image(by=alice, image=image)
    assert not EvidenceLayer.objects.exists()
    assert files_below("previews") == []


def test_erased_while_it_is_drawn_nothing_stays(image, alice, monkeypatch):
    real = layers.draw_layer

    def erase_first(*arguments: Any) -> Any:
        erasure.erase_image(by=alice, image=image)
        return real(*arguments)

    monkeypatch.setattr(layers, "draw_layer", erase_first)
    row = layers.ask(image=image, kind="noise")
    tasks.draw_layer(str(row.pk))
    assert not EvidenceLayer.objects.exists()
    assert files_below("previews") == []


# --- pages


def _page(client: Client, detection: Detection, layer: str = "") -> str:
    query = f"?layer={layer}" if layer else ""
    return client.get(reverse("detection", args=[detection.pk]) + query).content.decode()


def test_a_layer_is_asked_for_awaited_and_shown(detection, alice, client_of):
    client = client_of(alice)
    ask = reverse("detection_layers", args=[detection.pk])
    picture = reverse("detection_layer", args=[detection.pk, "ela"])
    assert "Draw this layer" in _page(client, detection, "ela")
    answer = client.post(ask, {"kind": "ela"})
    assert answer.url == f"{reverse('detection', args=[detection.pk])}?layer=ela#layers"
    waiting = _page(client, detection, "ela")
    assert '<noscript><meta http-equiv="refresh"' in waiting
    assert picture not in waiting
    assert client.get(picture).status_code == 404
    tasks.draw_layer(str(EvidenceLayer.objects.get().pk))
    shown = _page(client, detection, "ela")
    assert picture in shown
    assert "refresh" not in shown
    assert "no proof of manipulation" in shown
    answer = client.get(picture)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert answer["Content-Security-Policy"].startswith("sandbox")


def test_a_failure_has_a_sentence_and_a_button_where_that_may_help(detection, alice, client_of):
    client = client_of(alice)
    row = layers.ask(image=detection.image, kind="ela")
    for code, has_button in (("decoder_crashed", True), ("layer_too_small", False)):
        EvidenceLayer.objects.filter(pk=row.pk).update(status="failed", failure_code=code)
        page = _page(client, detection, "ela")
        assert "This layer could not be drawn." in page
        assert ("Try again</button>" in page) is has_button


@pytest.mark.parametrize("layer", ["", "nonsense", "%00", "<script>"])
def test_an_unknown_layer_in_the_address_shows_the_picture_alone(
    detection, alice, client_of, layer
):
    page = _page(client_of(alice), detection, layer)
    assert 'data-chosen="picture"' in page


@pytest.mark.parametrize("kind", ["", "nonsense", "activation", "picture"])
def test_an_unknown_kind_is_refused(detection, alice, client_of, kind):
    client = client_of(alice)
    ask = reverse("detection_layers", args=[detection.pk])
    assert client.post(ask, {"kind": kind}).status_code == 400
    assert not EvidenceLayer.objects.exists()
    assert client.get(f"{ask}/{kind or 'none'}").status_code == 404


def test_a_stranger_finds_nothing(detection, bob, client_of):
    client = client_of(bob)
    _drawn(detection.image)
    ask = reverse("detection_layers", args=[detection.pk])
    assert client.get(ask).status_code == client.post(ask, {"kind": "ela"}).status_code == 404
    assert client.get(f"{ask}/noise").status_code == 404


def test_there_is_no_section_without_a_verdict(alice, model_version, client_of):
    row = submitted(alice).detection
    client = client_of(alice)
    assert "data-layers" not in _page(client, row)
    assert client.get(reverse("detection_layers", args=[row.pk])).status_code == 200


def test_the_web_process_decodes_nothing_for_a_layer(detection, alice, client_of, monkeypatch):
    _failing(monkeypatch, AssertionError("decoded by the web process"))
    client = client_of(alice)
    client.post(reverse("detection_layers", args=[detection.pk]), {"kind": "ela"})
    assert _page(client, detection, "ela")


def test_the_section_costs_one_query(detection, alice, client_of, django_assert_max_num_queries):
    for kind in ("ela", "noise", "grid"):
        layers.ask(image=detection.image, kind=kind)
    with django_assert_max_num_queries(1):
        layers.of_image(detection.image)


# --- API


@pytest.fixture
def api(alice: Any, key_of: Callable[..., str]) -> Client:
    return Client(headers={"Authorization": f"Bearer {key_of(alice)}"})


def _listed(api: Client, address: str) -> dict[str, Any]:
    return {row["kind"]: row for row in api.get(address).json()["results"]}


def test_the_api_lists_asks_and_gives(detection, api):
    address = f"/api/v1/detections/{detection.pk}/evidence"
    assert {row["status"] for row in _listed(api, address).values()} == {"not_asked"}
    asked = api.post(address, {"kind": "noise"}, content_type="application/json")
    assert (asked.status_code, asked["Retry-After"]) == (202, "1")
    assert asked.json()["links"]["image"] is None
    tasks.draw_layer(str(EvidenceLayer.objects.get().pk))
    row = _listed(api, address)["noise"]
    assert (row["status"], row["failure"]) == ("done", None)
    assert row["reads"]
    assert row["misleads"]
    assert row["findings"]
    assert api.get(row["links"]["image"])["Content-Type"] == "image/png"
    again = api.post(address, {"kind": "noise"}, content_type="application/json")
    assert (again.status_code, again.json()["status"]) == (200, "done")


@pytest.mark.parametrize("body", [{}, {"kind": "activation"}, {"kind": "ela", "version": 7}])
def test_the_api_refuses_what_it_does_not_know(detection, api, body):
    address = f"/api/v1/detections/{detection.pk}/evidence"
    answer = api.post(address, body, content_type="application/json")
    assert (answer.status_code, EvidenceLayer.objects.count()) == (400, 0)


def test_a_key_that_only_reads_has_nothing_drawn(detection, alice, key_of):
    key = key_of(alice, "detections:read")
    client = Client(headers={"Authorization": f"Bearer {key}"})
    address = f"/api/v1/detections/{detection.pk}/evidence"
    assert client.get(address).status_code == 200
    answer = client.post(address, {"kind": "ela"}, content_type="application/json")
    assert answer.status_code == 403


def test_a_failure_has_a_code_in_the_api(detection, api):
    row = layers.ask(image=detection.image, kind="ela")
    EvidenceLayer.objects.filter(pk=row.pk).update(status="failed", failure_code="layer_too_small")
    shown = _listed(api, f"/api/v1/detections/{detection.pk}/evidence")["ela"]
    assert shown["failure"]["code"] == "layer_too_small"


def test_a_lost_file_counts_as_never_asked(detection, api):
    row = _drawn(detection.image)
    storage.layer_path(detection.image_id, row.kind, row.version).unlink()
    shown = _listed(api, f"/api/v1/detections/{detection.pk}/evidence")["noise"]
    assert (shown["status"], shown["links"]["image"]) == ("not_asked", None)
