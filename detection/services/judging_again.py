"""Having older detections judged by the model that judges now: one, a case's, or all.

Old verdicts stay, each with its own version: an image is judged once by each. What is judged again
gives way to everything else: an order for many hands over a few at a time, and only while nobody
else's image waits.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, Max, OuterRef
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from accounts.models import ApiKey, User
from detection import doorbell
from detection.errors import Refused
from detection.models import Case, Detection, Image, ModelVersion, Rejudging
from detection.models.detection import DetectionQuerySet
from detection.services import telling

TASK, QUEUE = "detection.tasks.judge_again", Detection.Queue.BULK
RUN_TASK = "detection.tasks.run_detection"
MOST = 10_000  # of one order
HANDFUL = 20
LOOKED_AT = 200  # rows a handful is looked for among
LATER_S = 5.0  # until it looks again whether others still wait
# An image's newest detection comes last by when it was received; those judged again stand beside
# the first in every list, and not before everything that came since.
NEXT_TO = timedelta(milliseconds=1)


def ask(*, by: User, detection: Detection) -> Detection:
    """Have one image judged by the model that judges now; whoever asks again gets the same row.

    Raises:
        Refused: it has no verdict yet, that model gave it, or nothing judges.
    """
    if detection.status != Detection.Status.DONE:
        raise Refused("no_verdict_to_repeat")
    version = ModelVersion.objects.serving()
    if version.pk == detection.model_version_id:
        raise Refused("judged_by_newest")
    row, _is_new = _hand_one(detection, version, by=by)
    return row


def order(
    *,
    by: User,
    case: Case | None = None,
    since: datetime | None = None,
    api_key: ApiKey | None = None,
) -> Rejudging:
    """Have many judged again: all images of a case, or what the desk received.

    Of the whole desk, what is confidential is left to its owners.

    Args:
        since: only what was received then or later.
    Raises:
        Refused: an order for the same is open, or there is nothing to judge again.
    """
    version = ModelVersion.objects.serving()
    wanted = Rejudging(version=version, case=case, by=by, api_key=api_key, since=since)
    wanted.total = min(MOST, _outstanding(wanted).values("image").distinct().count())
    if not wanted.total:
        raise Refused("nothing_to_judge_again")
    wanted.rung_at = timezone.now()
    try:
        with transaction.atomic():
            wanted.save(force_insert=True)
            _record("rejudging.ordered", wanted, by=by, after=_told(wanted))
            transaction.on_commit(lambda: _ring_or_leave_due(wanted.pk), robust=True)
    except IntegrityError:
        raise Refused("judging_again_already") from None
    return wanted


def outstanding_in(case: Case) -> int:
    """Images of a case with a verdict, but none of the model that judges now."""
    version = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).first()
    if version is None:
        return 0
    rows = _outstanding(Rejudging(version=version, case=case))
    return rows.values("image").distinct().count()


def cancel(*, by: User, rejudging: Rejudging) -> bool:
    """Hand nothing more over; what was handed over is judged. False where it has ended."""
    with transaction.atomic():
        if not rejudging.cancel():
            return False
        rejudging.refresh_from_db()
        _record("rejudging.cancelled", rejudging, by=by, after={"done": rejudging.done})
    return True


def hand_over(pk: uuid.UUID | str, *, worker: str) -> None:
    """Hand a few over, if nobody else waits; a repeated delivery finds nothing to claim."""
    claim = Rejudging.objects.claim(pk, worker=worker)
    if claim is None:
        return
    if claim.version.state != ModelVersion.State.ACTIVE:
        _end(claim, Rejudging.Ended.SUPERSEDED)
    elif _is_somebody_waiting():
        # Looked and left: on a busy desk days of looks would be more attempts than are counted.
        if claim.hand_on(attempt=F("attempt") - 1):
            _ring_or_leave_due(claim.pk, delay_s=LATER_S)
    else:
        _hand_some(claim)


def tell(detection: Detection) -> None:
    """Called with every verdict, in its transaction: owners hear of one that was given again."""
    if detection.judged_before_id is not None:
        telling.judged_again(detection)


def ring_waiting(*, again_after: timedelta) -> int:
    """Ring for orders nobody took and for expired leases."""
    rung = 0
    for pk in Rejudging.objects.unheard(again_after).values_list("pk", flat=True)[:10]:
        if not doorbell.send(TASK, [str(pk)], QUEUE):
            break
        Rejudging.objects.filter(pk=pk).update(rung_at=Now())
        rung += 1
    return rung


def fail_exhausted() -> int:
    """End the rows whose last attempt's lease ran out."""
    return sum(_fail(row, "attempts_exhausted") for row in Rejudging.objects.exhausted())


def _is_somebody_waiting() -> bool:
    """Whether an image waits that was submitted, or the last handful still does.

    One whose original the storage does not give is put off again and again, and holds nobody up.
    """
    queued = Detection.objects.filter(status=Detection.Status.QUEUED)
    if queued.due().filter(judged_before=None).exists():
        return True
    return queued.exclude(judged_before=None).count() >= HANDFUL


def _hand_some(claim: Rejudging) -> None:
    left = min(HANDFUL, claim.total - claim.done)
    rows = _next_rows(claim)
    for row in rows:
        if not left:
            break
        left -= _hand_over_one(claim, row)
        claim.read_until, claim.read_until_id = row.created_at, row.pk
    claim.refresh_from_db(fields=["done"])
    if not rows or claim.done >= claim.total:
        _end(claim, Rejudging.Ended.ALL_HANDED)
        return
    read = {"read_until": claim.read_until, "read_until_id": claim.read_until_id}
    if claim.hand_on(**read):
        _ring_or_leave_due(claim.pk)


def _next_rows(claim: Rejudging) -> list[Detection]:
    """The next detections in the list, newest first; none where it has ended."""
    rows = _outstanding(claim).select_related("image__owner").newest_first()
    if claim.read_until and claim.read_until_id:
        rows = rows.before(claim.read_until, claim.read_until_id)
    return list(rows[:LOOKED_AT])


def _hand_over_one(claim: Rejudging, row: Detection) -> bool:
    """Whether this made a new detection; where an erasure was quicker, it makes none."""
    try:
        _row, is_new = _hand_one(row, claim.version, by=claim.by, order=claim)
    except Refused:
        return False
    return is_new


def _hand_one(
    before: Detection, version: ModelVersion, *, by: User, order: Rejudging | None = None
) -> tuple[Detection, bool]:
    """The detection of an image by this version, and whether it is new.

    Args:
        order: which of many is counted with it.
    Raises:
        Refused: somebody has erased the image.
    """
    with transaction.atomic():
        image = Image.objects.select_related("owner").held_fast(before.image_id)
        # of several that judged before, the one judged again need not be the latest
        latest = image.detections.aggregate(at=Max("created_at"))["at"]
        row = Detection.objects.filter(image=image, model_version=version).first()
        if is_new := row is None:
            row = Detection.objects.create(
                image=image,
                model_version=version,
                judged_before=before,
                queue=QUEUE,
                turn=Detection.objects.next_turn(by.pk, QUEUE),
                turn_of=by,
                created_at=latest + NEXT_TO,
                rung_at=timezone.now(),
            )
        row.image = image
        if is_new:
            if order is not None:
                Rejudging.objects.filter(pk=order.pk).update(done=F("done") + 1)
            audit.record(
                "detection.asked_again",
                actor=by,
                target=row,
                owner=image.owner,
                target_sha256=image.sha256,
                after={"judged_before": str(before.pk), "artifact_sha256": version.artifact_sha256},
            )
            transaction.on_commit(lambda: _ring_for(row.pk), robust=True)
    return row, is_new


def _outstanding(wanted: Rejudging) -> DetectionQuerySet:
    """Verdicts of images that the wanted version has not judged; several of some images."""
    judged = Detection.objects.filter(image=OuterRef("image"), model_version=wanted.version_id)
    rows = Detection.objects.filter(
        ~Exists(judged), status=Detection.Status.DONE, image__erased_at=None
    )
    if wanted.since:
        rows = rows.filter(created_at__gte=wanted.since)
    if wanted.case_id:
        return rows.filter(image__cases=wanted.case_id)
    return rows.filter(image__is_confidential=False)


def _end(claim: Rejudging, how: str) -> None:
    with transaction.atomic():
        if claim.end(how):
            claim.refresh_from_db()
            _record("rejudging.ended", claim, by=None, after={"done": claim.done, "ended": how})


def _fail(row: Rejudging, code: str) -> bool:
    with transaction.atomic():
        if not row.fail(code):
            return False
        after = {"done": row.done, "failure_code": code}
        _record("rejudging.failed", row, by=None, after=after)
    return True


def _record(action: str, row: Rejudging, *, by: User | None, after: dict[str, Any]) -> None:
    audit.record(action, actor=by, target=row, after=after)


def _told(row: Rejudging) -> dict[str, Any]:
    return {
        "artifact_sha256": row.version.artifact_sha256,
        "case": str(row.case_id) if row.case_id else None,
        "since": row.since.isoformat() if row.since else None,
        "total": row.total,
    }


def _ring_for(pk: uuid.UUID) -> None:
    if not doorbell.send(RUN_TASK, [str(pk)], QUEUE):
        # Due at once, not only when this doorbell counts as unheard.
        Detection.objects.filter(pk=pk).update(rung_at=None)


def _ring_or_leave_due(pk: uuid.UUID, *, delay_s: float = 0) -> None:
    if not doorbell.send(TASK, [str(pk)], QUEUE, delay_s=delay_s):
        Rejudging.objects.filter(pk=pk).update(rung_at=None)
