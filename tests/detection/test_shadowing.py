"""A model that judges silently: nobody waits for it, nobody who submits sees it."""

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import AuditEvent, User
from detection import detector, doorbell, tasks
from detection.errors import Refused
from detection.models import (
    Detection,
    HistoryRow,
    ModelVersion,
    ShadowJudgement,
    WebhookDelivery,
)
from detection.services import erasure, leases, registry, shadowing, sweeping
from detection.services.shadow_figures import changed_verdicts, shadow_figures
from detection.services.webhooks import add_endpoint
from ml.errors import ArtifactError, UnreadableImage
from tests.factories import WORKER, done_row, image_row, submitted

pytestmark = pytest.mark.django_db
AGAIN = timedelta(seconds=30)


@pytest.fixture
def candidate(model_version: ModelVersion) -> ModelVersion:
    return ModelVersion.objects.create(
        name="fake", version="2", architecture="none", artifact_sha256="e" * 64
    )


@pytest.fixture(autouse=True)
def shadow_bells(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Doorbells rung for silent judgements; the broker's queue is empty."""
    calls: list[str] = []

    def send(task: str, ids: list[str], queue: str, **_: object) -> bool:
        assert (task, queue) == (shadowing.TASK, "bulk")
        calls.extend(ids)
        return True

    monkeypatch.setattr(doorbell, "send", send)
    monkeypatch.setattr(doorbell, "unanswered", lambda queue: 0)
    return calls


def started(candidate: ModelVersion, dora: User, *, share: float = 1, **back: float) -> None:
    until = timezone.now() + timedelta(days=7)
    shadowing.start(candidate, by=dora, until=until, share=share)
    since = timezone.now() - timedelta(**back or {"minutes": 5})
    ModelVersion.objects.filter(pk=candidate.pk).update(shadowed_since=since, shadow_cursor=since)
    candidate.refresh_from_db()


def actions() -> list[str]:
    rows = AuditEvent.objects.filter(action__startswith="model_version.shadow").order_by("pk")
    return list(rows.values_list("action", flat=True))


# --- starting and ending


def test_it_is_started_and_ended_on_the_record(candidate, dora):
    started(candidate, dora)
    assert ModelVersion.objects.shadow() == candidate
    shadowing.stop(candidate, by=dora)
    assert ModelVersion.objects.shadow() is None
    assert actions() == ["model_version.shadow_started", "model_version.shadow_ended"]


def test_the_active_model_is_no_shadow(model_version, dora):
    with pytest.raises(Refused) as refused:
        started(model_version, dora)
    assert refused.value.code == "shadow_is_active"


def test_one_at_a_time(candidate, dora):
    started(candidate, dora)
    other = ModelVersion.objects.create(name="x", version="3", artifact_sha256="d" * 64)
    with pytest.raises(Refused) as refused:
        started(other, dora)
    assert refused.value.code == "shadow_taken"
    now, row = timezone.now(), ModelVersion.objects.filter(pk=other.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        row.update(is_shadow=True, shadowed_since=now, shadowed_until=now)


@pytest.mark.parametrize(("days", "share"), [(0, 1), (29, 1), (7, 0), (7, 1.1)])
def test_times_and_shares_have_bounds(candidate, dora, days, share):
    with pytest.raises(ValueError, match=r"until must|a share"):
        shadowing.start(
            candidate, by=dora, until=timezone.now() + timedelta(days=days), share=share
        )


def test_what_is_not_running_cannot_be_ended(candidate, dora):
    with pytest.raises(Refused) as refused:
        shadowing.stop(candidate, by=dora)
    assert refused.value.code == "shadow_not_running"


def test_it_ends_by_itself(candidate, dora, alice, model_version):
    started(candidate, dora)
    done_row(alice, model_version)
    sweeping.sweep()
    ModelVersion.objects.filter(pk=candidate.pk).update(
        shadowed_until=timezone.now() - timedelta(seconds=1)
    )
    assert ModelVersion.objects.shadow() is None  # even before anybody has recorded it
    sweeping.sweep()
    candidate.refresh_from_db()
    assert not candidate.is_shadow
    assert not ShadowJudgement.objects.exists()  # what waited is dropped
    assert actions()[-1] == "model_version.shadow_ended"


def test_it_ends_when_it_becomes_the_active_model(candidate, dora):
    started(candidate, dora)
    registry.activate(candidate, by=dora)
    sweeping.sweep()
    candidate.refresh_from_db()
    assert not candidate.is_shadow


def test_after_its_end_the_next_one_may_start_at_once(candidate, dora):
    started(candidate, dora)
    ModelVersion.objects.filter(pk=candidate.pk).update(shadowed_until=timezone.now())
    other = ModelVersion.objects.create(name="x", version="3", artifact_sha256="d" * 64)
    started(other, dora)
    assert ModelVersion.objects.shadow() == other


# --- which verdicts it is asked about


def test_new_verdicts_become_work_and_are_rung_for(
    candidate, dora, alice, model_version, shadow_bells
):
    started(candidate, dora)
    row = done_row(alice, model_version)
    done_row(alice, model_version, completed_at=timezone.now() - timedelta(hours=1))
    sweeping.sweep()
    sweeping.sweep()
    made = ShadowJudgement.objects.get()
    assert made.detection_id == row.pk
    assert shadow_bells == [str(made.pk)]


def test_a_verdict_that_was_committed_late_is_not_missed(candidate, dora, alice, model_version):
    started(candidate, dora)
    done_row(alice, model_version)
    sweeping.sweep()
    done_row(alice, model_version, completed_at=timezone.now() - timedelta(seconds=60))
    sweeping.sweep()
    assert ShadowJudgement.objects.count() == 2


def test_only_verdicts_of_the_active_model_on_what_was_submitted(
    candidate, dora, alice, model_version
):
    started(candidate, dora)
    old = ModelVersion.objects.create(
        name="x", version="3", artifact_sha256="d" * 64, state="retired"
    )
    first = done_row(alice, old)
    done_row(alice, model_version, judged_before=first)
    done_row(alice, model_version, image=image_row(alice, erased_at=timezone.now()))
    sweeping.sweep()
    assert not ShadowJudgement.objects.exists()


def test_a_share_is_drawn_and_stays_drawn():
    ids = [uuid.uuid4() for _ in range(4000)]
    drawn = [pk for pk in ids if shadowing.is_sampled(pk, 0.2)]
    assert 600 < len(drawn) < 1000
    assert drawn == [pk for pk in ids if shadowing.is_sampled(pk, 0.2)]
    assert all(shadowing.is_sampled(pk, 1) for pk in ids)


def test_a_full_look_goes_on_where_it_ended(candidate, dora, alice, model_version, monkeypatch):
    started(candidate, dora, minutes=60)
    monkeypatch.setattr(shadowing, "LOOKED_AT", 3)
    looked_at = set()
    monkeypatch.setattr(shadowing, "is_sampled", lambda pk, share: looked_at.add(pk) or False)
    now = timezone.now()
    for minute in range(10):
        done_row(alice, model_version, completed_at=now - timedelta(minutes=50 - minute))
    for _ in range(4):
        candidate.refresh_from_db()
        shadowing.order_new(candidate)
    assert len(looked_at) == 10


def test_no_more_waits_than_can_be_judged(candidate, dora, alice, model_version, monkeypatch):
    started(candidate, dora)
    monkeypatch.setattr(shadowing, "MOST_WAITING", 2)
    for _ in range(2):
        done_row(alice, model_version)
    sweeping.sweep()
    done_row(alice, model_version)
    sweeping.sweep()
    assert ShadowJudgement.objects.count() == 2


@pytest.mark.parametrize("lies_in_queue", [1, None])
def test_it_is_not_rung_for_while_batches_wait(
    candidate, dora, alice, model_version, shadow_bells, monkeypatch, lies_in_queue
):
    started(candidate, dora)
    done_row(alice, model_version)
    monkeypatch.setattr(doorbell, "unanswered", lambda queue: lies_in_queue)
    sweeping.sweep()
    assert ShadowJudgement.objects.count() == 1
    assert shadow_bells == []


def test_an_ordinary_desk_makes_none(alice, model_version):
    done_row(alice, model_version)
    sweeping.sweep()
    assert not ShadowJudgement.objects.exists()


# --- judging


@pytest.fixture
def judged(alice, model_version, fake_judgement) -> Detection:
    submission = submitted(alice)
    tasks.run_detection(str(submission.detection_id))
    return Detection.objects.get(pk=submission.detection_id)


def work(candidate: ModelVersion, dora: User) -> ShadowJudgement:
    started(candidate, dora)
    sweeping.sweep()
    return ShadowJudgement.objects.get()


def test_it_judges_the_stored_original_and_changes_nothing_else(
    judged, candidate, dora, alice, fake_judgement
):
    add_endpoint(by=alice, url="https://192.0.2.1/hook", events=["detection.completed"])
    rows = [HistoryRow.objects.count(), WebhookDelivery.objects.count()]
    before = Detection.objects.values().get(pk=judged.pk)
    row = work(candidate, dora)
    events = AuditEvent.objects.count()
    fake_judgement |= {"verdict": "likely_authentic", "probability": 0.03}
    tasks.run_shadow(str(row.pk))
    tasks.run_shadow(str(row.pk))
    row.refresh_from_db()
    assert (row.status, row.verdict, row.probability) == ("done", "likely_authentic", 0.03)
    assert row.timings_ms["cpu"] >= 0
    assert row.attempt == 1
    assert Detection.objects.values().get(pk=judged.pk) == before
    assert [HistoryRow.objects.count(), WebhookDelivery.objects.count()] == rows
    assert AuditEvent.objects.count() == events


def test_it_is_judged_by_the_shadow_version(judged, candidate, dora, monkeypatch):
    row, asked = work(candidate, dora), []

    def judge(image, version):
        asked.append((image.pk, version.pk))
        raise UnreadableImage("corrupt")

    monkeypatch.setattr(detector, "judge", judge)
    tasks.run_shadow(str(row.pk))
    row.refresh_from_db()
    assert asked == [(judged.image_id, candidate.pk)]
    assert (row.status, row.failure_code) == ("failed", "corrupt")


def test_a_crash_is_tried_again(judged, candidate, dora, monkeypatch):
    row = work(candidate, dora)

    def judge(image, version):
        raise UnreadableImage("decoder_crashed")

    monkeypatch.setattr(detector, "judge", judge)
    for _ in range(3):
        tasks.run_shadow(str(row.pk))
    row.refresh_from_db()
    assert (row.status, row.attempt) == ("failed", 3)


def test_a_damaged_candidate_is_found_out(judged, candidate, dora, monkeypatch):
    def judge(*_: object) -> None:
        raise ArtifactError("artifact_missing", "gone")

    monkeypatch.setattr(detector, "judge", judge)
    made = work(candidate, dora)
    tasks.run_shadow(str(made.pk))
    made.refresh_from_db()
    candidate.refresh_from_db()
    assert (made.status, made.failure_code) == ("failed", "artifact_missing")
    assert candidate.damaged_at is not None


def test_erasing_the_image_removes_it(judged, candidate, dora, alice):
    row = work(candidate, dora)
    tasks.run_shadow(str(row.pk))
    erasure.erase_image(by=alice, image=judged.image)
    assert not ShadowJudgement.objects.exists()
    tasks.run_shadow(str(row.pk))  # a bell that comes too late


def test_an_image_erased_meanwhile_leaves_no_row(judged, candidate, dora, alice):
    erasure.erase_image(by=alice, image=judged.image)
    row = ShadowJudgement.objects.create(detection=judged, version=candidate)
    started(candidate, dora)
    tasks.run_shadow(str(row.pk))
    assert not ShadowJudgement.objects.exists()


def test_the_lease_of_a_dead_process_is_freed(judged, candidate, dora):
    row = work(candidate, dora)
    host = leases.process_name(1).split(":")[0]
    claimed = ShadowJudgement.objects.claim(row.pk, worker=f"{host}:999999:1")
    assert claimed is not None
    assert leases.free_dead_leases() == 1
    assert ShadowJudgement.objects.claim(row.pk, worker=WORKER) is not None


# --- figures


def shadow(detection: Detection, version: ModelVersion, verdict: str, p: float) -> None:
    ShadowJudgement.objects.create(
        detection=detection,
        version=version,
        status="done",
        verdict=verdict,
        probability=p,
        timings_ms={"network": 12.0, "cpu": 9.0},
    )


def test_figures_lay_both_side_by_side(candidate, dora, carol, alice, model_version):
    started(candidate, dora)
    manipulated = {"verdict": "likely_manipulated", "probability": 0.97}
    for fields in ({}, {}, manipulated):
        row = done_row(alice, model_version, timings_ms={"network": 20.0}, **fields)
        shadow(row, candidate, "likely_authentic", 0.12)
    found = shadow_figures(candidate)
    assert found.done == 3
    assert found.agreement is not None
    assert found.agreement.value == pytest.approx(2 / 3)
    assert found.table[0] == ("likely_authentic", "likely_authentic", 2)
    assert found.scores[2] == (2, 3)
    assert found.scores[19] == (1, 0)
    assert (found.time_ms, found.cpu_ms) == ((20.0, 12.0), 9.0)


def test_changed_verdicts_are_listed_as_far_as_one_may_see_them(
    candidate, dora, carol, alice, model_version
):
    started(candidate, dora)
    plain = done_row(alice, model_version)
    secret = done_row(alice, model_version, image=image_row(alice, is_confidential=True))
    for row in (plain, secret):
        shadow(row, candidate, "inconclusive", 0.4)
    rows, count = changed_verdicts(candidate, by=carol)
    assert [row.detection_id for row in rows] == [plain.pk]
    assert count == 2


def test_figures_of_nothing_are_nothing(candidate):
    found = shadow_figures(candidate)
    assert (found.done, found.agreement, found.time_ms) == (0, None, None)
