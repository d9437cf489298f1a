"""A candidate and the model it would follow, judged on the same images in resumable slices."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone
from PIL import Image as Picture

from accounts.models import AuditEvent, User
from detection import comparer, detector, storage
from detection.comparison_presentation import failure, gate
from detection.errors import Refused
from detection.models import (
    ComparedImage,
    Comparison,
    Detection,
    GoldenImage,
    ModelVersion,
    Snapshot,
)
from detection.services import comparisons, leases, registry, sweeping
from detection.tasks import compare_models, run_detection
from ml.calibration import Calibration
from ml.errors import DecoderUnavailable
from tests import images
from tests.detection.training_data import dataset_row, labelled_row, run_row, snapshot_row
from tests.factories import submitted
from tests.ml.tiny import POINT, red_detector, write_artifact, write_manifest

pytestmark = pytest.mark.django_db
WORKER = "test-host:1:1"


@pytest.fixture
def candidate(red_model: ModelVersion, tmp_path: Path) -> ModelVersion:
    """It sees twice as red as the active one, and half as sharply what is not."""
    folder = tmp_path / "candidate"
    model = red_detector(gain=30.0).SerializeToString()
    sha256 = write_artifact(folder, model=model, version="2")
    return registry.register_artifact(folder, by=None, sha256=sha256)


def _picture(path: Path, red: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 40, (48, 48, 3)).astype(np.uint8)
    pixels[..., 0] = np.clip(pixels[..., 0].astype(int) + red, 0, 255)
    Picture.fromarray(pixels).save(path)


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    """Four reals and four fakes to test on, and one to train on."""
    folder, rows = tmp_path / "labelled", []
    folder.mkdir()
    for at in range(9):
        label, split = ("fake", "test") if at % 2 else ("real", "test")
        _picture(folder / f"{at}.png", 200 if at % 2 else 20, at)
        split = "train" if at == 8 else split
        rows.append({"path": f"{at}.png", "label": label, "split": split, "source": "drawn"})
    manifest = write_manifest(folder, rows)
    monkeypatch.setattr("detection.services.snapshots.manifest_of", lambda row: manifest)
    return Snapshot.objects.create(name="first", sha256="a" * 64)


@pytest.fixture
def detections(red_model: ModelVersion, alice: User) -> list[Detection]:
    """Two verdicts of the active model, one of which the candidate would change."""
    made = []
    for red in (0, 140):
        pixels = np.full((64, 64, 3), 20, np.uint8)
        pixels[..., 0] = red
        sent = submitted(alice, images.encode(Picture.fromarray(pixels), "PNG"))
        run_detection(str(sent.detection_id))
        made.append(Detection.objects.get(pk=sent.detection_id))
    return made


def _to_the_end(row: Comparison, most: int = 50) -> Comparison:
    for _ in range(most):
        compare_models(str(row.pk))
        row.refresh_from_db()
        if row.is_finished:
            return row
    raise AssertionError(f"not finished: {row.done} of {row.total}")


def test_both_are_judged_on_the_same_images(candidate, snapshot, detections, dora):
    row = _to_the_end(comparisons.order(candidate, snapshot, by=dora))
    assert row.status == Comparison.Status.DONE
    found = row.figures
    assert (found["n"], found["sources"]["drawn"]["n_real"]) == (8, 4)
    assert set(found["damage"]) == {*comparer.CELLS} - {"clean"}
    assert found["speed"]["n"] == 8
    assert found["moved"] == found["unreadable"] == []
    assert found["live"] == {"n": 2, "changed": len(row.changed), "unreadable": 0}
    assert not ComparedImage.objects.exists()


def test_it_writes_no_verdict_and_tells_nobody(candidate, snapshot, detections, dora, rung):
    before = list(Detection.objects.order_by("pk").values())
    _to_the_end(comparisons.order(candidate, snapshot, by=dora))
    assert list(Detection.objects.order_by("pk").values()) == before


def test_changed_verdicts_are_named(candidate, snapshot, detections, dora):
    row = _to_the_end(comparisons.order(candidate, snapshot, by=dora))
    by_id = {one["detection"]: one for one in row.changed}
    for detection in detections:
        after = comparer.judge_live(detection.image, candidate)["verdict"]
        assert (str(detection.pk) in by_id) == (after != detection.verdict)


def test_too_few_images_shut_the_gate(candidate, snapshot, dora):
    row = _to_the_end(comparisons.order(candidate, snapshot, by=dora))
    assert "not_enough_to_tell" in registry.obstacle_codes(row)
    assert not row.is_open_gate


def test_ordering_and_completing_are_audited(candidate, snapshot, dora):
    _to_the_end(comparisons.order(candidate, snapshot, by=dora))
    actions = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
    assert actions[-2:] == ["comparison.ordered", "comparison.completed"]


def test_two_orders_are_one_comparison(candidate, snapshot, dora):
    first, second = (comparisons.order(candidate, snapshot, by=dora) for _ in range(2))
    assert first == second
    assert Comparison.objects.count() == 1


def test_the_active_model_is_not_compared_with_itself(red_model, snapshot, dora):
    with pytest.raises(Refused) as refusal:
        comparisons.order(red_model, snapshot, by=dora)
    assert refusal.value.code == "judges_already"


def test_a_broken_snapshot_is_refused(candidate, snapshot, dora):
    snapshot.broken_at = timezone.now()
    with pytest.raises(Refused) as refusal:
        comparisons.order(candidate, snapshot, by=dora)
    assert refusal.value.code == "snapshot_unusable"


def test_a_snapshot_that_breaks_meanwhile_ends_it(candidate, snapshot, dora, monkeypatch):
    row = comparisons.order(candidate, snapshot, by=dora)

    def gone(_: object) -> Path:
        raise Refused("snapshot_unusable")

    monkeypatch.setattr("detection.services.snapshots.manifest_of", gone)
    compare_models(str(row.pk))
    row.refresh_from_db()
    assert (row.status, row.failure_code) == ("failed", "snapshot_unusable")


def test_a_slice_hands_on_and_keeps_what_was_judged(candidate, snapshot, dora, monkeypatch):
    monkeypatch.setattr(comparisons, "SLICE_S", 0.0)
    row = comparisons.order(candidate, snapshot, by=dora)
    for done in (1, 2, 3):
        compare_models(str(row.pk))
        row.refresh_from_db()
        assert (row.status, row.done, row.attempt) == ("queued", done, done)
        assert row.attempt_limit == row.attempt + 3
    assert row.total == 8


def test_killed_at_any_image_it_goes_on_and_doubles_nothing(
    candidate, snapshot, dora, detections, monkeypatch
):
    """The worker dies in the middle of each second image; what was judged is not judged again."""
    judged, real = [], comparisons._answers

    def dying(claim: Any, image: ComparedImage) -> dict[str, Any]:
        if image.place % 2 and image.place not in judged:
            judged.append(image.place)
            raise KeyboardInterrupt
        judged.append(image.place)
        return real(claim, image)

    monkeypatch.setattr(comparisons, "_answers", dying)
    row = comparisons.order(candidate, snapshot, by=dora)
    for _ in range(20):
        try:
            compare_models(str(row.pk))
        except KeyboardInterrupt:
            past = timezone.now() - timedelta(seconds=1)
            Comparison.objects.filter(pk=row.pk).update(lease_until=past)
        row.refresh_from_db()
        if row.is_finished:
            break
        # progress was made since the last kill, so that it does not run out of attempts
        Comparison.objects.filter(pk=row.pk).update(attempt_limit=row.attempt + 3)
    assert row.status == "done"
    assert sorted(judged) == sorted([*range(10), *range(1, 10, 2)])
    assert row.figures["n"] == 8


def test_an_old_attempt_cannot_write_the_end(candidate, snapshot, dora):
    row = comparisons.order(candidate, snapshot, by=dora)
    old = Comparison.objects.claim(row.pk, worker=WORKER)
    past = timezone.now() - timedelta(seconds=1)
    Comparison.objects.filter(pk=row.pk).update(lease_until=past)
    assert Comparison.objects.claim(row.pk, worker="other:2:2") is not None
    assert not old.complete(figures={}, changed=[], obstacles=[])
    assert not old.hand_on()
    assert not old.keep_lease(timedelta(minutes=1))


def test_the_sweeper_rings_for_one_that_nobody_takes(candidate, snapshot, dora, bells):
    row = comparisons.order(candidate, snapshot, by=dora)
    Comparison.objects.update(rung_at=None)
    bells.clear()
    assert sweeping.sweep()["rung_for_comparisons"] == 1
    assert bells == [[str(row.pk)]]


def test_a_dead_workers_lease_is_freed(candidate, snapshot, dora):
    row = comparisons.order(candidate, snapshot, by=dora)
    name = leases.process_name(1).rsplit(":", 1)[0] + ":0"
    Comparison.objects.claim(row.pk, worker=name)
    assert leases.free_dead_leases() == 1


def test_one_that_died_too_often_has_failed(candidate, snapshot, dora):
    row = comparisons.order(candidate, snapshot, by=dora)
    past = timezone.now() - timedelta(seconds=1)
    Comparison.objects.filter(pk=row.pk).update(
        status="running", lease_until=past, attempt=3, attempt_limit=3
    )
    sweeping.fail_exhausted()
    row.refresh_from_db()
    assert (row.status, row.failure_code) == ("failed", "attempts_exhausted")
    assert AuditEvent.objects.filter(action="comparison.failed").count() == 1


def test_a_damaged_candidate_is_named_and_recorded(candidate, snapshot, dora):
    path = storage.artifact_dir(candidate.artifact_sha256) / "model.onnx"
    path.write_bytes(path.read_bytes() + b"x")
    row = comparisons.order(candidate, snapshot, by=dora)
    compare_models(str(row.pk))
    row.refresh_from_db()
    candidate.refresh_from_db()
    assert (row.status, row.failure_code) == ("failed", "artifact_unregistered")
    assert candidate.damaged_at is not None


def test_a_decoder_that_is_away_is_tried_again(candidate, snapshot, dora, monkeypatch):
    def away(*_: object, **__: object) -> None:
        raise DecoderUnavailable("decoder_not_started")

    monkeypatch.setattr(detector, "decode_file", away)
    row = comparisons.order(candidate, snapshot, by=dora)
    compare_models(str(row.pk))
    row.refresh_from_db()
    assert (row.status, row.attempt) == ("queued", 1)


def test_unreadable_and_altered_files_are_listed(candidate, snapshot, dora, tmp_path):
    (tmp_path / "labelled" / "0.png").write_bytes(b"something else")
    (tmp_path / "labelled" / "1.png").unlink()
    row = comparisons.order(candidate, snapshot, by=dora)
    claim = Comparison.objects.claim(row.pk, worker=WORKER)
    about = [{"path": str(tmp_path / "labelled" / f"{n}.png"), "sha256": "0" * 64} for n in (0, 1)]
    pair = (claim.against, claim.candidate)
    assert [comparer.judge_labelled(one, pair) for one in about] == [
        {"failed": "altered"},
        {"failed": "missing"},
    ]
    rows = [(one, comparer.judge_labelled(one, pair)) for one in about]
    assert [one["code"] for one in comparer.figures(rows)["unreadable"]] == ["altered", "missing"]


def test_golden_images_measure_both(candidate, snapshot, dora, detections):
    for detection, outcome in zip(detections, ("authentic", "authentic"), strict=True):
        GoldenImage.objects.create(image=detection.image, outcome=outcome, added_by=dora)
    row = _to_the_end(comparisons.order(candidate, snapshot, by=dora))
    golden = row.figures["golden"]
    assert golden["n"] == 2
    assert golden["wrong_before"] == sum(d.verdict == "likely_manipulated" for d in detections)


def test_an_image_erased_meanwhile_is_left_out(candidate, snapshot, dora, detections):
    row = comparisons.order(candidate, snapshot, by=dora)
    claim = Comparison.objects.claim(row.pk, worker=WORKER)
    about = {"detection": str(uuid.uuid4())}
    image = ComparedImage(comparison=claim, place=0, kind="live", about=about)
    assert comparisons._answers(claim, image) == {"failed": "erased"}


def test_recorded_scores_that_moved_shut_the_gate(red_model, snapshot, dora, tmp_path):
    folder = tmp_path / "moved"
    golden = {"9": 0.123}  # not among those that are looked at when it is loaded
    sha256 = write_artifact(folder, version="3", golden=golden, point=POINT)
    moved = registry.register_artifact(folder, by=None, sha256=sha256)
    row = _to_the_end(comparisons.order(moved, snapshot, by=dora))
    assert "golden_scores_moved" in registry.obstacle_codes(row)


def test_a_candidate_whose_calibration_is_upside_down_may_be_promoted_by_nobody(
    red_model, snapshot, dora, tmp_path
):
    folder = tmp_path / "turned"
    calibration = Calibration(-1.0, 0.0, 0.5, 2).to_json()
    sha256 = write_artifact(folder, version="3", calibration=calibration)
    turned = registry.register_artifact(folder, by=None, sha256=sha256)
    row = _to_the_end(comparisons.order(turned, snapshot, by=dora))
    assert "upside_down" in registry.obstacle_codes(row)
    assert gate(row).state == "never"
    with pytest.raises(Refused) as refusal:
        registry.promote(turned, comparison=row, by=dora, reason="It is new.", overrules=True)
    assert refusal.value.code == "gate_final"


def _taught(version: ModelVersion, sha256: str, *, group: str = "") -> None:
    """Let a version be what a run made of one image, which is of another split by now."""
    frozen = snapshot_row()
    frozen.images.add(labelled_row(dataset_row(f"old {version.pk}"), 1, sha256=sha256, group=group))
    run_row(frozen, status="done", candidate=version, completed_at=timezone.now())


def _tested(snapshot: Snapshot) -> list[dict[str, Any]]:
    return comparer.images_of_test(comparisons.snapshots.manifest_of(snapshot))


def test_test_images_that_the_candidate_learnt_from_do_not_measure_it(candidate, snapshot, dora):
    [first, *_] = _tested(snapshot)
    _taught(candidate, first["sha256"])
    row = _to_the_end(comparisons.order(candidate, snapshot, by=dora))
    assert row.figures["n"] == 7


def test_nor_those_that_the_model_it_went_on_from_learnt_from(red_model, candidate, snapshot, dora):
    first, second, *_ = _tested(snapshot)
    _taught(red_model, first["sha256"])
    run_row(candidate=candidate, status="done", started_from=red_model)
    row = _to_the_end(comparisons.order(candidate, snapshot, by=dora))
    assert row.figures["n"] == 7
    assert second["group"] not in comparisons.training.learnt_by(candidate).groups


def test_nor_others_of_a_group_it_learnt_from(candidate, snapshot, dora):
    [first, *_] = _tested(snapshot)
    _taught(candidate, "f" * 64, group=first["group"])
    row = _to_the_end(comparisons.order(candidate, snapshot, by=dora))
    assert row.figures["n"] == 7


def test_golden_images_that_were_learnt_before_measure_nothing(
    candidate, snapshot, dora, detections
):
    for detection in detections:
        GoldenImage.objects.create(image=detection.image, outcome="authentic", added_by=dora)
    _taught(candidate, detections[0].image.sha256)
    row = _to_the_end(comparisons.order(candidate, snapshot, by=dora))
    assert row.figures["golden"]["n"] == 1


def test_a_snapshot_that_breaks_under_way_ends_the_comparison(
    candidate, snapshot, dora, monkeypatch
):
    monkeypatch.setattr(comparisons, "SLICE_S", 0.0)
    row = comparisons.order(candidate, snapshot, by=dora)
    compare_models(str(row.pk))
    Snapshot.objects.update(broken_at=timezone.now())
    row = _to_the_end(row)
    assert (row.status, row.failure_code) == ("failed", "snapshot_broken")
    assert "removed" in failure(row)
