"""The worker's task: one verdict, however often it is called and whatever goes wrong."""

import os
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from accounts.models import AuditEvent
from deepfake_site import celery_app
from detection import detector, previews, tasks
from detection.models import Detection, Image, outbox
from detection.services import delivering, erasure, idempotency, leases, orphans
from ml.errors import ArtifactError, DecoderUnavailable, UnreadableImage
from tests import images
from tests.factories import in_parallel, submitted

pytestmark = pytest.mark.django_db


def _run(by: Any, data: bytes | None = None) -> Detection:
    detection_id = submitted(by, data).detection_id
    tasks.run_detection(str(detection_id))
    return Detection.objects.get(pk=detection_id)


def _raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def judge(*_: Any) -> None:
        raise error

    monkeypatch.setattr(detector, "judge", judge)


def _out_of_time(*_: Any, **__: Any) -> None:
    raise SoftTimeLimitExceeded


def test_it_judges(alice, red_model):
    row = _run(alice, images.png_bytes(64, 64))
    assert (row.status, row.attempt) == ("done", 1)
    assert 0 <= row.probability <= 1


def test_it_says_which_process_holds_the_lease(alice, model_version, monkeypatch):
    seen = []

    def judge(*_: Any) -> None:
        seen.append(Detection.objects.get().lease_owner)
        raise UnreadableImage("corrupt")

    monkeypatch.setattr(detector, "judge", judge)
    _run(alice)
    assert seen == [leases.process_name(os.getpid())]


def test_it_keeps_what_decoding_found(alice, model_version, fake_judgement):
    _run(alice, images.gps_jpeg())
    image = Image.objects.get()
    assert image.facts["metadata"]["exif"]["Model"] == "Model 5"
    assert len(image.perceptual_hash) == 16


def test_it_makes_the_previews(alice, model_version, fake_judgement):
    row = _run(alice)
    assert all(detector.storage.preview_path(row.image_id, s).is_file() for s in (1024, 320))


def test_run_twice_it_judges_once(alice, model_version, fake_judgement, monkeypatch):
    row = _run(alice)
    _raising(monkeypatch, AssertionError("judged again"))
    tasks.run_detection(str(row.pk))
    assert AuditEvent.objects.filter(action="detection.completed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_delivered_three_times_at_once_it_judges_once(alice, model_version, fake_judgement):
    detection_id = str(submitted(alice).detection_id)
    in_parallel(lambda: tasks.run_detection(detection_id), times=3)
    assert Detection.objects.get().status == "done"
    assert AuditEvent.objects.filter(action="detection.completed").count() == 1


def test_an_unknown_id_does_nothing(db):
    tasks.run_detection("00000000-0000-4000-8000-000000000000")


@pytest.mark.parametrize("code", ["truncated", "corrupt", "unsupported_format", "too_many_pixels"])
def test_what_the_file_is_to_blame_for_fails_at_once(alice, model_version, monkeypatch, code):
    _raising(monkeypatch, UnreadableImage(code))
    row = _run(alice)
    assert (row.status, row.failure_code, row.attempt) == ("failed", code, 1)


@pytest.mark.parametrize(
    "error",
    [
        UnreadableImage("decoder_crashed"),
        UnreadableImage("decoder_timeout"),
        DecoderUnavailable("decoder_not_started"),
    ],
    ids=str,
)
def test_what_may_be_the_moments_fault_is_tried_three_times(
    alice, model_version, monkeypatch, rung, error
):
    _raising(monkeypatch, error)
    row = _run(alice)
    for _ in range(2):
        assert row.status == "queued"
        tasks.run_detection(str(row.pk))
        row.refresh_from_db()
    assert (row.status, row.failure_code, row.attempt) == ("failed", error.code, 3)
    assert rung == [str(row.pk)] * 2


def test_running_out_of_time_is_tried_again_and_then_fails(alice, model_version, monkeypatch):
    _raising(monkeypatch, SoftTimeLimitExceeded())
    row = _run(alice)
    for _ in range(2):
        assert row.status == "queued"
        tasks.run_detection(str(row.pk))
        row.refresh_from_db()
    assert (row.status, row.failure_code) == ("failed", "decoder_timeout")


def test_out_of_time_while_recording_it_is_tried_again_at_once(
    alice, model_version, fake_judgement, monkeypatch, rung
):
    """Not after its lease, forty seconds later."""
    with monkeypatch.context() as patched:
        patched.setattr(outbox, "tell", _out_of_time)
        row = _run(alice)
    assert (row.status, row.verdict, rung) == ("queued", "", [str(row.pk)])
    tasks.run_detection(str(row.pk))
    row.refresh_from_db()
    assert (row.status, row.attempt) == ("done", 2)


def test_out_of_time_after_its_verdict_it_keeps_it(
    alice, model_version, fake_judgement, monkeypatch, rung
):
    monkeypatch.setattr(previews, "write_previews", _out_of_time)
    row = _run(alice)
    assert (row.status, row.attempt, rung) == ("done", 1, [])


@pytest.mark.parametrize("code", sorted(ArtifactError.CODES))
def test_a_model_that_cannot_be_used_fails_with_its_code(alice, model_version, monkeypatch, code):
    _raising(monkeypatch, ArtifactError(code))
    assert _run(alice).failure_code == code


def test_an_image_library_that_is_too_old_fails_with_its_code(alice, model_version, monkeypatch):
    _raising(monkeypatch, DecoderUnavailable("library_too_old"))
    assert _run(alice).failure_code == "library_too_old"


def test_bytes_that_changed_get_no_verdict(alice, red_model):
    submission = submitted(alice)
    path = detector.storage.original_path(submission.image_id)
    path.chmod(0o600)
    path.write_bytes(images.jpeg_bytes(seed=9))
    tasks.run_detection(str(submission.detection_id))
    assert Detection.objects.get().failure_code == "original_missing"


def test_a_lost_lease_leaves_the_successors_verdict(
    alice, model_version, fake_judgement, monkeypatch
):
    judge = detector.judge

    def slow(image: Any, version: Any) -> Any:
        Detection.objects.update(attempt=2)  # another process claimed it meanwhile
        return judge(image, version)

    monkeypatch.setattr(detector, "judge", slow)
    row = _run(alice)
    assert (row.status, row.verdict) == ("running", "")
    assert not AuditEvent.objects.filter(action="detection.completed").exists()


def test_the_sweep_task_rings_and_tidies(alice, model_version, rung):
    detection_id = submitted(alice).detection_id
    Detection.objects.update(rung_at=None)
    tasks.sweep()
    assert rung == [str(detection_id)]


def test_a_starting_worker_takes_over(alice, model_version, rung):
    detection_id = submitted(alice).detection_id
    claim = Detection.objects.claim(detection_id, worker="x")
    host = leases.process_name(os.getpid()).split(":")[0]
    Detection.objects.filter(pk=claim.pk).update(lease_owner=f"{host}:{os.getpid()}:1")
    tasks.take_over()
    assert rung == [str(detection_id)]


def test_a_starting_worker_without_a_model_starts(db):
    tasks.load_model()


def test_a_starting_worker_with_a_broken_model_starts_and_says_so(model_version, caplog):
    tasks.load_model()
    assert "artifact_missing" in caplog.text


def test_a_worker_that_only_trains_loads_no_model(model_version, caplog, monkeypatch):
    monkeypatch.setattr(celery_app.amqp.queues, "_consume_from", {"train": None})
    tasks.load_model()
    assert "artifact_missing" not in caplog.text


@pytest.mark.parametrize("task", ["run_detection", "sweep"])
def test_a_task_is_known_to_the_workers(task):
    assert f"detection.tasks.{task}" in celery_app.tasks


# --- what the clock asks for


def _asked_for() -> list[dict[str, Any]]:
    entries = settings.CELERY_BEAT_SCHEDULE.values()
    return [entry for entry in entries if entry["task"].startswith("detection.")]


def test_a_long_walk_over_files_keeps_nothing_else_from_being_tidied(monkeypatch):
    done: list[str] = []

    def endless() -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(orphans, "tidy", endless)
    monkeypatch.setattr(erasure, "finish", lambda: done.append("files of erased images"))
    monkeypatch.setattr(idempotency, "forget_old", lambda: done.append("keys"))
    monkeypatch.setattr(delivering, "drop_old", lambda: done.append("deliveries"))
    for entry in _asked_for():
        if entry["schedule"].run_every == timedelta(hours=1):
            celery_app.tasks[entry["task"]].apply(throw=False)
    assert set(done) == {"keys", "deliveries", "files of erased images"}


def test_whatever_the_clock_asks_for_is_a_task_with_a_queue():
    asked_for = {entry["task"] for entry in _asked_for()}
    assert asked_for <= set(celery_app.tasks)
    assert asked_for <= set(settings.CELERY_TASK_ROUTES)


def test_every_task_that_has_a_queue_is_known_to_workers(settings):
    from deepfake_site import celery_app

    celery_app.loader.import_default_modules()
    assert set(settings.CELERY_TASK_ROUTES) <= set(celery_app.tasks)
