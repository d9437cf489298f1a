"""A candidate beside the active model, on the same frozen images.

A comparison is done in slices that the database owns: each claims the row, judges some images,
keeps every answer as it comes, and rings for the next. A kill costs the image it fell upon.
"""

import logging
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection import comparer, detector, doorbell
from detection.errors import Refused, StorageAway
from detection.models import (
    ComparedImage,
    Comparison,
    Detection,
    GoldenImage,
    Image,
    ModelVersion,
    Outcome,
    Snapshot,
)
from detection.services import registry, snapshots, training
from ml.errors import ArtifactError, DatasetError, DecoderUnavailable

log = logging.getLogger(__name__)

TASK, QUEUE = "detection.tasks.compare_models", "train"
SLICE_S = 8.0
LEASE = timedelta(minutes=3)  # above the task's own limit
MOST_LIVE = 1000  # of the latest detections, those whose verdict would change are listed

Kind = ComparedImage.Kind
LABELS = {Outcome.AUTHENTIC.value: 0, Outcome.MANIPULATED.value: 1}


def order(candidate: ModelVersion, snapshot: Snapshot, *, by: User | None) -> Comparison:
    """Have a candidate compared with the active model; rings after the commit.

    The same order while one is open gives that one.

    Raises:
        Refused: no model judges, the candidate does already, or the snapshot is broken.
    """
    if not snapshot.is_whole:
        raise Refused("snapshot_unusable")
    with transaction.atomic():
        # held, so that two who order at once order one comparison
        row = ModelVersion.objects.select_for_update(no_key=True).get(pk=candidate.pk)
        active = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).first()
        if active is None:
            raise Refused("no_active_model")
        if row == active:
            raise Refused("judges_already")
        wanted = {"candidate": row, "against": active, "snapshot": snapshot}
        open_ones = Comparison.objects.filter(**wanted, status__in=["queued", "running"])
        if known := open_ones.first():
            return known
        made = Comparison.objects.create(**wanted, by=by, rung_at=timezone.now())
        audit.record(
            "comparison.ordered",
            actor=by,
            target=made,
            after={
                "candidate": row.artifact_sha256,
                "against": active.artifact_sha256,
                "snapshot": snapshot.sha256,
            },
        )
        transaction.on_commit(lambda: _ring_or_leave_due(made.pk), robust=True)
    return made


def go_on(pk: uuid.UUID | str, *, worker: str) -> None:
    """One slice of a comparison; a repeated delivery finds nothing to claim and returns."""
    claim = Comparison.objects.claim(pk, worker=worker)
    if claim is None or not claim.keep_lease(LEASE):
        return
    try:
        if not claim.snapshot.is_whole:  # somebody took an image back while it was under way
            raise Refused("snapshot_broken")
        for version in (claim.against, claim.candidate):
            detector.prove(version)  # also of one that is loaded already
        if not claim.total:
            _list_images(claim)
        _judge_for_a_while(claim)
    except StorageAway:
        claim.hand_on()
    except (Refused, DatasetError) as error:
        _end(claim, error.code)
    except ArtifactError as error:
        log.error("comparison %s: %s", claim.pk, error.code)
        _note_damage(claim)
        _end(claim, error.code)
    except DecoderUnavailable as error:
        log.error("comparison %s: %s", claim.pk, error.code)
        if not claim.release():  # the sweeper rings again in a while
            _end(claim, error.code)


def give_back(pk: uuid.UUID | str, *, worker: str) -> None:
    """End the attempt that this process had begun when its time ran out."""
    held = Comparison.objects.filter(pk=pk, status=Comparison.Status.RUNNING, lease_owner=worker)
    for row in held:
        if not row.release():
            _end(row, "attempts_exhausted")


def ring(pk: uuid.UUID) -> bool:
    return doorbell.send(TASK, [str(pk)], QUEUE)


def ring_waiting(*, again_after: timedelta, at_most: int) -> int:
    """Ring for comparisons nobody took and for expired leases, those unheard longest first."""
    rung = 0
    for pk in Comparison.objects.unheard(again_after).values_list("pk", flat=True)[:at_most]:
        if not ring(pk):
            break
        Comparison.objects.filter(pk=pk).update(rung_at=Now())
        rung += 1
    return rung


def fail_exhausted() -> int:
    """End the rows whose last attempt's lease ran out."""
    return sum(_end(row, "attempts_exhausted") for row in Comparison.objects.exhausted())


def _list_images(claim: Comparison) -> None:
    """Freeze which images are judged, before the first of them is.

    Raises:
        Refused, DatasetError: the snapshot cannot be used any more.
    """
    listed = list(_listed(claim))
    rows = [
        ComparedImage(comparison=claim, place=place, kind=kind, about=about)
        for place, (kind, about) in enumerate(listed)
    ]
    try:
        with transaction.atomic():
            claim.images.all().delete()  # of an attempt that broke off here
            ComparedImage.objects.bulk_create(rows, batch_size=500)
            claim.keep_lease(LEASE, total=len(rows))
    except IntegrityError:  # two lists at once, after a lease that ran out: one is enough
        log.warning("comparison %s was listed twice", claim.pk)
    claim.total = len(rows)


def _listed(claim: Comparison) -> Iterator[tuple[str, dict[str, Any]]]:
    """Nothing that one of the two has learnt from: it would be flattered by it.

    A test image was one to learn from where it was removed and came back, or the snapshot is
    another than that of the run; a golden one where it was learnt before it became golden.
    """
    learnt = training.learnt_by(claim.candidate, claim.against)
    for about in comparer.images_of_test(snapshots.manifest_of(claim.snapshot)):
        if about["sha256"] not in learnt.files and about["group"] not in learnt.groups:
            yield Kind.TEST, about
    known = GoldenImage.objects.filter(retired_at=None, image__erased_at=None).order_by("id")
    for golden in known.select_related("image"):
        if golden.image.sha256 not in learnt.files:
            yield Kind.GOLDEN, {"image": str(golden.image_id), "label": LABELS[golden.outcome]}
    latest = Detection.objects.filter(
        model_version=claim.against, status=Detection.Status.DONE, image__erased_at=None
    ).newest_first()
    for pk in latest.values_list("pk", flat=True)[:MOST_LIVE]:
        yield Kind.LIVE, {"detection": str(pk)}


def _judge_for_a_while(claim: Comparison) -> None:
    """Judge until the slice is over, then hand on; or count, where nothing is left."""
    until = time.monotonic() + SLICE_S
    total = claim.images.count()
    left = list(claim.images.waiting()[:200])
    done = total - claim.images.waiting().count()
    for row in left:
        row.answers = _answers(claim, row)
        row.save(update_fields=["answers"])
        done += 1
        if not claim.keep_lease(LEASE, done=done):
            return  # somebody else goes on
        if time.monotonic() > until:
            break
    if claim.images.waiting().exists():
        if claim.hand_on():
            _ring_or_leave_due(claim.pk)
    else:
        _count(claim)


def _answers(claim: Comparison, row: ComparedImage) -> dict[str, Any]:
    pair = (claim.against, claim.candidate)
    if row.kind == Kind.TEST:
        return comparer.judge_labelled(row.about, pair)
    if row.kind == Kind.GOLDEN:
        image = Image.objects.filter(pk=row.about["image"], erased_at=None).first()
        return {"failed": "erased"} if image is None else comparer.judge_golden(image, pair)
    shown = Detection.objects.select_related("image").filter(image__erased_at=None)
    detection = shown.filter(pk=row.about["detection"]).first()
    if detection is None:
        return {"failed": "erased"}
    after = comparer.judge_live(detection.image, claim.candidate)
    return after | {"before": detection.verdict, "probability_before": detection.probability}


def _count(claim: Comparison) -> None:
    """Make figures of all answers, and say what stands against the candidate."""
    told = {kind: _told(claim, kind) for kind in Kind}
    live = [answers for _, answers in told[Kind.LIVE] if "failed" not in answers]
    changed = [
        {
            "detection": about["detection"],
            "before": answers["before"],
            "after": answers["verdict"],
            "probability_before": answers["probability_before"],
            "probability_after": answers["probability"],
        }
        for about, answers in told[Kind.LIVE]
        if "failed" not in answers and answers["verdict"] != answers["before"]
    ]
    found = {
        **comparer.figures(told[Kind.TEST]),
        "golden": comparer.golden_figures(told[Kind.GOLDEN]),
        "live": {
            "n": len(live),
            "changed": len(changed),
            "unreadable": len(told[Kind.LIVE]) - len(live),
        },
        "moved": comparer.moved_golden(claim.candidate),
        "slope": comparer.slope_of(claim.candidate),
    }
    _complete(claim, found, changed)


def _told(claim: Comparison, kind: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What each image of a kind is, and what was said of it."""
    rows = claim.images.filter(kind=kind).order_by("place")
    return [(row.about, row.answers or {}) for row in rows.iterator()]


def _complete(claim: Comparison, found: dict[str, Any], changed: list[dict[str, Any]]) -> None:
    obstacles = comparer.obstacles(found)
    with transaction.atomic():
        if not claim.complete(figures=found, changed=changed, obstacles=obstacles):
            return
        claim.images.all().delete()
        codes = sorted({one["code"] for one in obstacles})
        audit.record(
            "comparison.completed",
            actor=None,
            target=claim,
            after={"obstacles": codes, "n": found["n"], "changed": len(changed)},
        )


def _end(claim: Comparison, code: str) -> bool:
    with transaction.atomic():
        if not claim.fail(code):
            return False
        claim.images.all().delete()
        audit.record("comparison.failed", actor=None, target=claim, after={"code": code})
    return True


def _note_damage(claim: Comparison) -> None:
    """Find out whose files they are that cannot be judged with."""
    for version in (claim.against, claim.candidate):
        try:
            detector.prove(version)
        except ArtifactError as error:
            registry.note_damage(version, error.code)


def _ring_or_leave_due(pk: uuid.UUID) -> None:
    if not ring(pk):
        # Due at once, not only when this doorbell counts as unheard.
        Comparison.objects.filter(pk=pk).update(rung_at=None)
