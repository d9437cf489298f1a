"""The state machine: claim, fence, release, complete, fail, and what the database refuses."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEvent
from detection.models import Detection, ModelVersion
from tests.conftest import RESULT
from tests.factories import (
    WORKER,
    detection_row,
    image_row,
    in_parallel,
    running_row,
)

Status = Detection.Status


def _claim(row: Detection) -> Detection | None:
    return Detection.objects.claim(row.pk, worker=WORKER)


def _expire(row: Detection) -> None:
    Detection.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


# --- claim


def test_a_claim_leases_the_row_and_counts_the_attempt(alice, model_version, settings):
    claim = _claim(detection_row(alice, model_version))
    assert (claim.status, claim.attempt, claim.lease_owner) == (Status.RUNNING, 1, WORKER)
    assert timedelta() < claim.lease_until - timezone.now() <= settings.LEASE


def test_a_second_claim_gets_nothing(alice, model_version):
    row = detection_row(alice, model_version)
    assert _claim(row)
    assert _claim(row) is None


def test_an_unknown_row_cannot_be_claimed(alice):
    assert Detection.objects.claim("00000000-0000-4000-8000-000000000000", worker=WORKER) is None


def test_an_expired_lease_can_be_claimed_by_the_next(alice, model_version):
    row = running_row(alice, model_version)
    _expire(row)
    assert _claim(row).attempt == 2


@pytest.mark.parametrize("status", [Status.DONE, Status.FAILED])
def test_a_finished_row_cannot_be_claimed(alice, model_version, status):
    row = running_row(alice, model_version)
    assert row.complete(**RESULT) if status == Status.DONE else row.fail("corrupt")
    assert _claim(row) is None


def test_after_the_last_attempt_nobody_claims_it(alice, model_version):
    row = detection_row(alice, model_version)
    for _ in range(row.attempt_limit):
        assert _claim(row)
        _expire(row)
    assert _claim(row) is None


@pytest.mark.django_db(transaction=True)
def test_of_parallel_claims_one_wins(alice, model_version):
    row = detection_row(alice, model_version)
    claims = in_parallel(lambda: _claim(row), times=6)
    assert len([claim for claim in claims if claim]) == 1
    assert Detection.objects.get().attempt == 1


# --- complete and fail


def test_completing_stores_the_verdict_and_ends_the_lease(alice, model_version):
    row = running_row(alice, model_version)
    assert row.complete(**RESULT)
    stored = Detection.objects.get()
    assert (stored.status, stored.verdict, stored.probability) == (
        Status.DONE,
        "likely_manipulated",
        0.93,
    )
    assert stored.completed_at is not None
    assert (stored.lease_until, stored.lease_owner) == (None, "")


def test_failing_stores_the_code_and_no_verdict(alice, model_version):
    assert running_row(alice, model_version).fail("corrupt")
    stored = Detection.objects.get()
    assert (stored.status, stored.failure_code) == (Status.FAILED, "corrupt")
    assert (stored.verdict, stored.probability) == ("", None)


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_an_end_is_audited_once(alice, model_version, end):
    row = running_row(alice, model_version)
    for _ in range(2):
        row.complete(**RESULT) if end == "complete" else row.fail("corrupt")
    event = AuditEvent.objects.get()
    assert event.action == ("detection.completed" if end == "complete" else "detection.failed")
    assert (event.target_id, event.target_sha256) == (str(row.pk), row.image.sha256)


def test_the_audit_trail_keeps_verdict_probability_and_model(alice, model_version):
    running_row(alice, model_version).complete(**RESULT)
    change = AuditEvent.objects.get().change
    assert '"verdict":"likely_manipulated"' in change
    assert '"probability":0.93' in change
    assert model_version.artifact_sha256 in change


def test_a_worker_that_lost_its_lease_writes_nothing(alice, model_version):
    zombie = running_row(alice, model_version)
    _expire(zombie)
    successor = _claim(zombie)
    assert not zombie.complete(**RESULT | {"probability": 0.5})
    assert not zombie.fail("corrupt")
    assert successor.complete(**RESULT)
    assert Detection.objects.get().probability == 0.93
    assert AuditEvent.objects.count() == 1


def test_a_zombie_cannot_overwrite_the_verdict_of_its_successor(alice, model_version):
    zombie = running_row(alice, model_version)
    _expire(zombie)
    assert _claim(zombie).complete(**RESULT)
    assert not zombie.complete(**RESULT | {"verdict": "likely_authentic", "probability": 0.01})
    assert not zombie.release()
    assert Detection.objects.get().verdict == "likely_manipulated"


def test_an_expired_lease_that_nobody_took_still_counts(alice, model_version):
    row = running_row(alice, model_version)
    _expire(row)
    assert row.complete(**RESULT)


def test_a_queued_row_cannot_be_completed(alice, model_version):
    row = detection_row(alice, model_version)
    assert not row.complete(**RESULT)
    assert Detection.objects.get().status == Status.QUEUED


def test_without_its_audit_event_there_is_no_verdict(alice, model_version, monkeypatch):
    row = running_row(alice, model_version)

    def refuse(*args: Any, **options: Any) -> None:
        raise DatabaseError("no room")

    monkeypatch.setattr(audit, "record", refuse)
    with pytest.raises(DatabaseError, match="no room"):
        row.complete(**RESULT)
    assert Detection.objects.get().status == Status.RUNNING


# --- release


def test_a_released_row_is_queued_with_its_attempt_counted(alice, model_version):
    row = running_row(alice, model_version)
    assert row.release()
    stored = Detection.objects.get()
    assert (stored.status, stored.attempt, stored.lease_until) == (Status.QUEUED, 1, None)


def test_the_last_attempt_is_not_released(alice, model_version):
    row = running_row(alice, model_version, attempt_limit=1)
    assert not row.release()
    assert Detection.objects.get().status == Status.RUNNING


# --- what the database refuses


def _refused(name: str, row: Detection, **fields: Any) -> None:
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Detection.objects.filter(pk=row.pk).update(**fields)


def test_done_needs_a_verdict(alice, model_version):
    row = detection_row(alice, model_version)
    now = timezone.now()
    _refused("done_means_a_verdict", row, status=Status.DONE, completed_at=now, probability=0.5)


def test_done_needs_a_time(alice, model_version):
    row = detection_row(alice, model_version)
    _refused(
        "done_means_a_verdict",
        row,
        status=Status.DONE,
        verdict="inconclusive",
    )


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.FAILED])
def test_a_verdict_needs_done(alice, model_version, status):
    row = detection_row(alice, model_version)
    fields = {"status": status, "verdict": "likely_authentic", "failure_code": "corrupt"}
    _refused("done_means_a_verdict", row, **fields)


@pytest.mark.parametrize("verdict", ["likely_authentic", "likely_manipulated"])
def test_a_decided_verdict_needs_a_probability(alice, model_version, verdict):
    row = running_row(alice, model_version)
    done = {"status": Status.DONE, "completed_at": timezone.now()}
    _refused("no_probability", row, **done, verdict=verdict, probability=None)


def test_a_vetoed_image_may_have_no_probability(alice, model_version):
    row = running_row(alice, model_version)
    veto = {"verdict": "inconclusive", "probability": None, "reasons": ["too_small"]}
    assert row.complete(**RESULT | veto)


@pytest.mark.parametrize("probability", [-0.01, 1.01, 50.0])
def test_a_probability_lies_between_0_and_1(alice, model_version, probability):
    row = running_row(alice, model_version)
    done = {"status": Status.DONE, "completed_at": timezone.now()}
    _refused("no_probability", row, **done, verdict="inconclusive", probability=probability)


def test_failed_needs_a_code(alice, model_version):
    row = detection_row(alice, model_version)
    _refused("failed_means_a_code", row, status=Status.FAILED)


def test_an_image_is_judged_once_per_model_version(alice, model_version):
    row = detection_row(alice, model_version)
    with pytest.raises(IntegrityError), transaction.atomic():
        detection_row(alice, model_version, image=row.image)


def test_another_model_version_judges_it_again(alice, model_version):
    row = detection_row(alice, model_version)
    other = ModelVersion.objects.create(name="fake", version="2", artifact_sha256="e" * 64)
    assert detection_row(alice, other, image=row.image).pk != row.pk


# --- reading


def test_newest_first_is_a_total_order(alice, model_version):
    now = timezone.now()
    rows = [detection_row(alice, model_version, created_at=now) for _ in range(5)]
    listed = list(Detection.objects.newest_first())
    assert listed == sorted(rows, key=lambda row: row.pk, reverse=True)
    third = listed[2]
    after = Detection.objects.before(third.created_at, third.pk).newest_first()
    assert list(after) == listed[3:]


def test_a_detection_is_as_visible_as_its_image(alice, bob, carol, model_version):
    plain = detection_row(alice, model_version)
    secret = detection_row(alice, model_version, image=image_row(alice, is_confidential=True))
    seen = {user: set(Detection.objects.visible_to(user)) for user in (alice, bob, carol)}
    assert seen == {alice: {plain, secret}, bob: set(), carol: {plain}}


def test_the_activation_map_comes_back_as_it_was(alice, model_version):
    cells = np.array([[0.5, -1.0, 2.0], [0.0, 3.5, -0.25]], "<f2")
    row = running_row(alice, model_version)
    row.complete(**RESULT | {"activation": cells.tobytes(), "activation_shape": [2, 3]})
    assert np.array_equal(Detection.objects.get().activation_map(), cells.astype(np.float32))


def test_without_activation_there_is_no_map(alice, model_version):
    assert detection_row(alice, model_version).activation_map() is None
