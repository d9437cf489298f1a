"""Which model judges: promoted behind a gate, taken back in one step, never one that is damaged."""

import io
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone

from accounts.models import AuditEvent, User
from detection import detector, storage
from detection.errors import Refused
from detection.models import Activation, Comparison, Detection, ModelVersion, Snapshot
from detection.services import registry
from detection.tasks import load_model, run_detection
from tests import images
from tests.factories import in_parallel, submitted
from tests.ml.tiny import red_detector, write_artifact

pytestmark = pytest.mark.django_db
State = ModelVersion.State
ACCUSES = {"code": "more_accusations", "figure": "false_accusations", "before": 0.0, "after": 0.1}
TOO_FEW = {"code": "not_enough_to_tell", "figure": "false_accusations", "n": 3, "needed": 150}


@pytest.fixture(autouse=True)
def _nothing_loaded_yet() -> None:
    detector._model.cache_clear()


def registered(folder: Path, version: str, gain: float = 10.0) -> ModelVersion:
    """The red detector again, a little sharper or duller than the active one."""
    model = red_detector(gain=gain).SerializeToString()
    sha256 = write_artifact(folder / f"v{version}", model=model, version=version)
    return registry.register_artifact(folder / f"v{version}", by=None, sha256=sha256)


@pytest.fixture
def candidate(red_model: ModelVersion, tmp_path: Path) -> ModelVersion:
    return registered(tmp_path, "2", gain=12.0)


def compared(candidate: ModelVersion, *obstacles: dict[str, Any], **more: Any) -> Comparison:
    """A comparison with the active model that is over."""
    snapshot, _ = Snapshot.objects.get_or_create(sha256="a" * 64, defaults={"name": "first"})
    fields = {"against": ModelVersion.objects.active(), "status": "done", **more}
    return Comparison.objects.create(
        candidate=candidate, snapshot=snapshot, obstacles=list(obstacles), **fields
    )


def promote(candidate: ModelVersion, comparison: Comparison, by: User, **more: Any) -> Activation:
    return registry.promote(candidate, comparison=comparison, by=by, reason="It is better.", **more)


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refusal:
        action()
    return refusal.value.code


# --- promoting


def test_nobody_looks_for_images_on_which_nothing_shows(candidate, dora):
    compared(candidate, {**ACCUSES, "low": 0.02, "high": 0.2, "n": 300})
    flattering = compared(candidate)
    assert code_of(lambda: promote(candidate, flattering, dora)) == "accuses_elsewhere"
    assert code_of(lambda: promote(candidate, flattering, dora, overrules=True)) == (
        "accuses_elsewhere"
    )


def test_what_a_few_images_showed_by_chance_more_images_settle(candidate, dora):
    compared(candidate, {**ACCUSES, "low": -0.02, "high": 0.2, "n": 10})
    promote(candidate, compared(candidate), dora)
    assert ModelVersion.objects.active() == candidate


def test_a_candidate_with_an_open_gate_is_promoted(candidate, red_model, dora):
    made = promote(candidate, compared(candidate), dora)
    states = dict(ModelVersion.objects.values_list("version", "state"))
    assert states == {"1": "retired", "2": "active"}
    assert (made.version, made.previous, made.kind) == (candidate, red_model, "promoted")
    assert (made.by, made.reason) == (dora, "It is better.")


def test_promoting_is_audited_with_the_comparison(candidate, dora):
    row = compared(candidate)
    promote(candidate, row, dora)
    event = AuditEvent.objects.get(action="model_version.promoted")
    assert event.actor_id == dora.pk
    assert str(row.pk) in event.change
    assert candidate.artifact_sha256 in event.change


def test_a_shut_gate_is_refused_unless_somebody_takes_it_upon_themselves(candidate, dora):
    row = compared(candidate, TOO_FEW)
    assert code_of(lambda: promote(candidate, row, dora)) == "gate_shut"
    promote(candidate, row, dora, overrules=True)
    assert ModelVersion.objects.active() == candidate
    assert "not_enough_to_tell" in AuditEvent.objects.get(action="model_version.promoted").change


def test_nobody_overrules_what_was_found_about_accusations(candidate, red_model, dora):
    row = compared(candidate, TOO_FEW, ACCUSES)
    assert code_of(lambda: promote(candidate, row, dora, overrules=True)) == "gate_final"
    assert ModelVersion.objects.active() == red_model
    assert not AuditEvent.objects.filter(action="model_version.promoted").exists()


@pytest.mark.parametrize("status", ["queued", "running", "failed"])
def test_a_comparison_that_is_not_done_opens_nothing(candidate, dora, status):
    row = compared(candidate, status=status)
    assert code_of(lambda: promote(candidate, row, dora, overrules=True)) == "not_compared"


def test_the_comparison_of_another_candidate_opens_nothing(candidate, dora, tmp_path):
    other = registered(tmp_path, "3", gain=13.0)
    row = compared(other)
    assert code_of(lambda: promote(candidate, row, dora)) == "not_compared"


def test_a_comparison_with_an_earlier_model_opens_nothing(candidate, dora, tmp_path):
    row = compared(candidate)
    other = registered(tmp_path, "3", gain=13.0)
    promote(other, compared(other), dora)
    assert code_of(lambda: promote(candidate, row, dora)) == "compared_with_another"


def test_the_active_one_is_not_promoted_again(candidate, red_model, dora):
    row = compared(candidate)
    promote(candidate, row, dora)
    assert code_of(lambda: promote(candidate, row, dora)) == "judges_already"


def test_a_damaged_candidate_is_not_promoted(candidate, red_model, dora):
    _flip_a_byte(candidate)
    row = compared(candidate)
    assert code_of(lambda: promote(candidate, row, dora)) == "model_damaged"
    assert ModelVersion.objects.active() == red_model
    assert AuditEvent.objects.filter(action="model_version.found_damaged").count() == 1


# --- going back


def test_going_back_puts_the_one_before_into_service(candidate, red_model, dora):
    promote(candidate, compared(candidate), dora)
    made = registry.roll_back(by=dora, reason="It accuses everybody.")
    assert ModelVersion.objects.active() == red_model
    assert (made.kind, made.version, made.previous) == ("rolled_back", red_model, candidate)
    event = AuditEvent.objects.get(action="model_version.rolled_back")
    assert event.actor_id == dora.pk


def test_going_back_twice_goes_two_promotions_back(candidate, red_model, dora, tmp_path):
    third = registered(tmp_path, "3", gain=13.0)
    promote(candidate, compared(candidate), dora)
    promote(third, compared(third), dora)
    assert registry.roll_back(by=dora, reason="").version == candidate
    assert registry.roll_back(by=dora, reason="").version == red_model
    assert code_of(lambda: registry.roll_back(by=dora, reason="")) == "nothing_before"


def test_what_was_taken_back_may_be_promoted_again(candidate, red_model, dora):
    promote(candidate, compared(candidate), dora)
    registry.roll_back(by=dora, reason="")
    promote(candidate, compared(candidate), dora)
    assert registry.roll_back(by=dora, reason="").version == red_model


def test_it_does_not_go_back_to_a_damaged_model(candidate, red_model, dora):
    promote(candidate, compared(candidate), dora)
    _flip_a_byte(red_model)
    assert code_of(lambda: registry.roll_back(by=dora, reason="")) == "model_damaged"
    assert ModelVersion.objects.active() == candidate


def test_the_command_goes_back(candidate, red_model, dora):
    promote(candidate, compared(candidate), dora)
    output = io.StringIO()
    call_command("roll_back_model", "--reason", "wrong", stdout=output)
    assert ModelVersion.objects.active() == red_model
    assert "red_detector 1 judges again" in output.getvalue()
    with pytest.raises(CommandError, match="No other model"):
        call_command("roll_back_model")


# --- F2, F3: swapped and damaged models


def _flip_a_byte(version: ModelVersion) -> None:
    path = storage.artifact_dir(version.artifact_sha256) / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _swap(version: ModelVersion, folder: Path) -> None:
    """Another valid model in its place."""
    write_artifact(folder / "swapped", model=red_detector(gain=99.0).SerializeToString())
    for name in detector.ARTIFACT_FILES:
        content = (folder / "swapped" / name).read_bytes()
        (storage.artifact_dir(version.artifact_sha256) / name).write_bytes(content)


@pytest.mark.parametrize("harm", ["flipped", "swapped"])
def test_a_worker_judges_nothing_with_files_that_are_not_registered(
    red_model, alice, tmp_path, harm
):
    if harm == "flipped":
        _flip_a_byte(red_model)
    else:
        _swap(red_model, tmp_path)
    for seed in range(3):
        sent = submitted(alice, images.jpeg_bytes(seed=seed))
        run_detection(str(sent.detection_id))
    rows = Detection.objects.values_list("status", "failure_code", "verdict")
    assert set(rows) == {("failed", "artifact_unregistered", "")}
    red_model.refresh_from_db()
    assert red_model.damaged_at is not None
    assert AuditEvent.objects.filter(action="model_version.found_damaged").count() == 1


def test_a_worker_that_starts_with_a_damaged_model_says_so(red_model, caplog):
    _flip_a_byte(red_model)
    load_model()
    assert AuditEvent.objects.filter(action="model_version.found_damaged").count() == 1
    assert any(record.levelname == "CRITICAL" for record in caplog.records)


def test_registering_it_again_mends_it(red_model, alice, tmp_path):
    _flip_a_byte(red_model)
    load_model()
    registry.register_artifact(tmp_path / "red_detector", by=None, sha256=red_model.artifact_sha256)
    red_model.refresh_from_db()
    assert red_model.damaged_at is None
    assert AuditEvent.objects.filter(action="model_version.repaired").count() == 1
    sent = submitted(alice, images.jpeg_bytes())
    run_detection(str(sent.detection_id))
    assert Detection.objects.get().status == "done"


def test_files_put_back_by_hand_are_noticed_with_the_next_verdict(red_model, alice, tmp_path):
    _flip_a_byte(red_model)
    load_model()
    for name in detector.ARTIFACT_FILES:
        content = (tmp_path / "red_detector" / name).read_bytes()
        (storage.artifact_dir(red_model.artifact_sha256) / name).write_bytes(content)
    run_detection(str(submitted(alice, images.jpeg_bytes()).detection_id))
    red_model.refresh_from_db()
    assert red_model.damaged_at is None


def test_one_that_is_loaded_goes_on_and_stays_recorded_as_damaged(red_model, alice):
    """What lies in memory is what was registered; the file is not, and that stays said."""
    run_detection(str(submitted(alice, images.jpeg_bytes(seed=1)).detection_id))
    _flip_a_byte(red_model)
    registry.note_damage(red_model, "artifact_unregistered")
    run_detection(str(submitted(alice, images.jpeg_bytes(seed=2)).detection_id))
    red_model.refresh_from_db()
    assert set(Detection.objects.values_list("status", flat=True)) == {"done"}
    assert red_model.damaged_at is not None


# --- workers switch by themselves


def test_what_was_queued_keeps_its_version(candidate, red_model, alice, dora):
    waiting = submitted(alice, images.jpeg_bytes(seed=1))
    promote(candidate, compared(candidate), dora)
    later = submitted(alice, images.jpeg_bytes(seed=2))
    for sent in (waiting, later):
        run_detection(str(sent.detection_id))
    used = dict(Detection.objects.values_list("pk", "model_version__version"))
    assert used == {waiting.detection_id: "1", later.detection_id: "2"}
    assert set(Detection.objects.values_list("status", flat=True)) == {"done"}


def test_a_worker_keeps_three_models_and_no_more(red_model, tmp_path):
    for number in range(2, 7):
        detector.predictor_of(registered(tmp_path, str(number), gain=10.0 + number))
    assert detector._model.cache_info().currsize == detector.LOADED_MODELS == 3


def test_earlier_versions_have_a_history_after_the_update(red_model, candidate):
    """What judged in turn before there was a history can be gone back to."""
    Activation.objects.all().delete()
    now = timezone.now()
    ModelVersion.objects.filter(pk=red_model.pk).update(
        state=State.RETIRED, activated_at=now - timedelta(days=1)
    )
    ModelVersion.objects.filter(pk=candidate.pk).update(state=State.ACTIVE, activated_at=now)
    migration = import_module("detection.migrations.0018_registry_of_models")
    migration.note_earlier_activations(apps, SimpleNamespace(connection=connection))
    assert registry.model_before(candidate) == red_model
    assert registry.roll_back(by=None, reason="").version == red_model


# --- at once


@pytest.mark.django_db(transaction=True)
def test_two_promotions_at_once_are_one(candidate, dora, tmp_path):
    other = registered(tmp_path, "3", gain=13.0)
    rows = {version: compared(version) for version in (candidate, other)}
    versions = iter(rows)

    def one() -> str:
        version = next(versions)
        try:
            promote(version, rows[version], dora)
        except Refused as refusal:
            return refusal.code
        return "promoted"

    assert sorted(in_parallel(one, times=2)) == ["compared_with_another", "promoted"]
    assert ModelVersion.objects.filter(state=State.ACTIVE).count() == 1
    assert AuditEvent.objects.filter(action="model_version.promoted").count() == 1


@pytest.mark.django_db(transaction=True)
def test_under_load_each_verdict_names_one_version_that_was_active_meanwhile(
    candidate, red_model, alice, dora, fake_judgement
):
    """Images are submitted and judged in four threads while the model changes over and over."""
    contents = iter([images.jpeg_bytes(48, 48, seed=n) for n in range(60)])
    lock = threading.Lock()
    spans: dict[Any, Span] = {}

    def work() -> None:
        while True:
            with lock:
                content = next(contents, None)
            if content is None:
                break
            began = timezone.now()
            sent = submitted(alice, content)
            spans[sent.detection_id] = (began, timezone.now())
            run_detection(str(sent.detection_id))
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    judged = _switch_to_and_fro(candidate, red_model, dora, threads)
    rows = Detection.objects.values_list("pk", "model_version__version", "status")
    wrong = [
        (pk, version)
        for pk, version, _status in rows
        if not any(_overlap(span, spans[pk]) for span in judged[version])
    ]
    assert wrong == []
    assert len(rows) == len(spans) == 60
    assert {status for *_, status in rows} == {"done"}
    assert {version for _, version, _ in rows} == {"1", "2"}  # it did change while they came


Span = tuple[datetime, datetime]


def _switch_to_and_fro(
    candidate: ModelVersion, first: ModelVersion, by: User, threads: list[threading.Thread]
) -> dict[str, list[Span]]:
    """By version, from when at the earliest until when at the latest it judged."""
    judged: dict[str, list[Span]] = {"1": [], "2": []}
    since, now = timezone.now() - timedelta(days=1), first.version
    while any(thread.is_alive() for thread in threads):
        began = timezone.now()
        if now == first.version:
            promote(candidate, compared(candidate), by)
        else:
            registry.roll_back(by=by, reason="")
        judged[now].append((since, timezone.now()))
        since, now = began, "2" if now == "1" else "1"
    judged[now].append((since, timezone.now()))
    return judged


def _overlap(one: Span, other: Span) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]
