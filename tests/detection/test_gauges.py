"""What the database says for Prometheus, right after rows were made, and what it costs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from detection.models import (
    Detection,
    DriftAlert,
    EvidenceLayer,
    ModelVersion,
    Notice,
    WebhookDelivery,
    WorkerSign,
)
from detection.services import gauges, open_work
from detection.services.gauges import STAGES
from detection.services.webhooks import add_endpoint
from ml import inference
from tests.factories import detection_row, done_row, image_row, running_row

pytestmark = pytest.mark.django_db

# One for each question; fewer where there is nothing.
QUERIES = 9


def values() -> dict[tuple[str, ...], float]:
    """Every value by its name without the prefix, and its labels in order."""
    return {
        (sample.name.removeprefix(gauges.PREFIX), *sample.labels.values()): sample.value
        for family in gauges.gauges()
        for sample in family.samples
    }


def ago(**length: float) -> Any:
    return timezone.now() - timedelta(**length)


def failed_row(owner: User, version: ModelVersion, code: str, **fields: Any) -> Detection:
    ended = {"status": "failed", "failure_code": code, "completed_at": timezone.now()}
    return detection_row(owner, version, **ended | fields)


def test_an_empty_desk_says_so_in_numbers():
    found = values()
    assert found["detections_queued", "detect"] == found["detections_queued", "bulk"] == 0
    assert found["detections_oldest_queued_seconds", "detect"] == 0
    assert found["model_active",] == found["webhooks_waiting",] == found["mails_waiting",] == 0
    assert found["last_hour_detections", "done"] == found["last_hour_detections", "failed"] == 0


def test_what_waits_and_runs_is_counted_by_queue(alice, model_version):
    detection_row(alice, model_version, queued_at=ago(seconds=90))
    detection_row(alice, model_version, queued_at=ago(seconds=10))
    detection_row(alice, model_version, queue="bulk", queued_at=ago(hours=2))
    running_row(alice, model_version, queued_at=ago(hours=3))
    done_row(alice, model_version, queued_at=ago(hours=4))
    found = values()
    assert found["detections_queued", "detect"] == 2
    assert found["detections_queued", "bulk"] == 1
    assert found["detections_running", "detect"] == 1
    assert found["detections_running", "bulk"] == 0
    assert found["detections_oldest_queued_seconds", "detect"] == pytest.approx(90, abs=20)
    assert found["detections_oldest_queued_seconds", "bulk"] == pytest.approx(7200, abs=20)


def test_lost_attempts_and_leases_are_counted(alice, model_version):
    running_row(alice, model_version)
    lost = running_row(alice, model_version)
    Detection.objects.filter(pk=lost.pk).update(lease_until=ago(seconds=5))
    assert running_row(alice, model_version).release()
    running_row(alice, model_version, attempt=1)
    done_row(alice, model_version, attempt=2)
    found = values()
    assert found["leases_expired", "detect"] == 1
    assert found["detections_again", "detect"] == 2
    assert found["last_hour_verdicts_again",] == 1


def test_verdicts_of_the_hour_are_counted_by_model(alice, model_version):
    older = ModelVersion.objects.create(name="older", version="0", artifact_sha256="0" * 64)
    done_row(alice, model_version)
    done_row(alice, model_version, verdict="inconclusive")
    done_row(alice, older, created_at=ago(days=2))
    done_row(alice, model_version, completed_at=ago(minutes=61))
    found = values()
    assert found["last_hour_verdicts", "fake", "1", "likely_authentic"] == 1
    assert found["last_hour_verdicts", "fake", "1", "inconclusive"] == 1
    assert found["last_hour_verdicts", "fake", "1", "likely_manipulated"] == 0
    assert found["last_hour_verdicts", "older", "0", "likely_authentic"] == 1
    assert found["last_hour_detections", "done"] == 3


def test_failures_of_the_hour_are_counted_by_code(alice, model_version):
    failed_row(alice, model_version, "corrupt")
    failed_row(alice, model_version, "corrupt", created_at=ago(hours=20))
    failed_row(alice, model_version, "truncated")
    failed_row(alice, model_version, "truncated", completed_at=ago(minutes=61))
    found = values()
    assert found["last_hour_failures", "corrupt"] == 2
    assert found["last_hour_failures", "truncated"] == 1
    assert found["last_hour_detections", "failed"] == 3


def test_times_of_stages_are_added_up_in_seconds(alice, model_version):
    done_row(alice, model_version, timings_ms={"network": 30.0, "preprocess": 4.0})
    done_row(alice, model_version, timings_ms={"network": 50.5})
    done_row(alice, model_version)
    found = values()
    assert found["last_hour_stage_seconds_sum", "network"] == pytest.approx(0.0805)
    assert found["last_hour_stage_seconds_count", "network"] == 2
    assert found["last_hour_stage_seconds_count", "preprocess"] == 1
    assert found["last_hour_stage_seconds_sum", "transforms"] == 0


def test_the_stages_are_those_that_inference_times():
    source = inference.__loader__.get_source(inference.__name__)  # type: ignore[union-attr]
    assert [stage for stage in STAGES if f'clock.lap("{stage}")' not in source] == []
    assert source.count("clock.lap(") == len(STAGES)


def test_the_model_that_judges_is_named(model_version):
    assert values()["model_info", "fake", "1"] == values()["model_active",] == 1
    assert values()["model_damaged",] == 0
    ModelVersion.objects.update(damaged_at=timezone.now())
    assert values()["model_damaged",] == 1


def test_layers_of_images_of_the_hour_are_counted(alice, model_version):
    new, old = (
        done_row(alice, model_version, created_at=at).image for at in (ago(minutes=5), ago(hours=2))
    )
    for image, kind, fields in (
        (new, "ela", {"status": "failed", "failure_code": "layer_timeout"}),
        (new, "noise", {"status": "done"}),
        (old, "ela", {"status": "failed", "failure_code": "layer_timeout"}),
    ):
        EvidenceLayer.objects.create(image=image, kind=kind, version=1, **fields)
    found = values()
    assert found["last_hour_layers", "failed"] == found["last_hour_layers", "done"] == 1
    assert found["last_hour_layers", "queued"] == 0


def test_webhooks_that_wait_are_counted_and_the_longest_overdue_named(alice, model_version):
    endpoint = add_endpoint(by=alice, url="https://192.0.2.1/hook", events=["detection.completed"])[
        0
    ]
    for due_at in (ago(minutes=7), ago(minutes=-7)):
        WebhookDelivery.objects.create(
            endpoint=endpoint,
            detection=done_row(alice, model_version),
            event="detection.completed",
            due_at=due_at,
        )
    WebhookDelivery.objects.create(
        endpoint=endpoint, event="detection.completed", status="delivered", ended_at=ago(hours=1)
    )
    found = values()
    assert (found["webhooks_waiting",], found["webhooks_due",]) == (2, 1)
    assert found["webhooks_oldest_due_seconds",] == pytest.approx(420, abs=20)


def test_mails_that_wait_are_counted(alice, model_version):
    detection = done_row(alice, model_version)
    sent = {"mail_due_at": ago(hours=1), "mailed_at": ago(hours=1)}
    for fields in ({"mail_due_at": ago(minutes=2)}, sent, {}):
        Notice.objects.create(user=alice, detection=detection, kind="judged_again", **fields)
    found = values()
    assert found["mails_waiting",] == 1
    assert found["mails_oldest_due_seconds",] == pytest.approx(120, abs=20)


def test_workers_say_when_they_were_last_there():
    WorkerSign.objects.give("sweep")
    found = values()
    assert found["worker_last_sign_timestamp_seconds", "sweep"] == pytest.approx(
        timezone.now().timestamp(), abs=20
    )
    assert ("worker_last_sign_timestamp_seconds", "bulk") not in found


def test_warnings_that_stand_are_named_by_their_rule():
    DriftAlert.objects.create(rule="failures_up")
    DriftAlert.objects.create(rule="queue_waits", ended_at=timezone.now())
    found = values()
    assert found["alert_standing", "failures_up"] == 1
    assert ("alert_standing", "queue_waits") not in found


# --- what it costs


def test_the_number_of_statements_does_not_grow_with_the_desk(alice, model_version):
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            values()
        return len(captured)

    assert statements() == QUERIES
    for number in range(5):
        other = ModelVersion.objects.create(
            name=f"m{number}", version="1", artifact_sha256=f"{number}" * 64
        )
        detection_row(alice, other)
        done_row(alice, other, timings_ms={"network": 3.0})
        failed_row(alice, other, f"code_{number}")
        WorkerSign.objects.give(f"queue{number}")
    assert statements() == QUERIES


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's plans")
@pytest.mark.parametrize(
    ("asked", "indexes"),
    [
        (open_work.detections_by_queue, ["detection_open_work"]),
        (gauges.verdicts_of_the_hour, ["detection_done_oldest_first"]),
        (gauges.failures_of_the_hour, ["history_by_time"]),
        (
            gauges.layers_of_the_hour,
            ["detection_newest_first", "detection_evidencelayer USING INDEX"],
        ),
        (open_work.pending_webhooks, ["delivery_open_work"]),
        (open_work.unsent_mails, ["notice_unsent"]),
    ],
)
def test_it_reads_open_work_and_the_last_hour_by_index(
    alice, model_version, asked: Callable[[], QuerySet], indexes
):
    done_row(alice, model_version, image=image_row(alice))
    plan = asked().explain()
    assert [name for name in indexes if name not in plan] == [], plan
    assert [line for line in plan.splitlines() if "SCAN" in line and "INDEX" not in line] == []
