"""A model that judges live traffic silently for a time, so that people see what it would say.

Nobody's verdict waits for it: its work is made by the sweeper from verdicts that were given, and
rung for only while the queue for batches is empty. Nobody who submits sees it; there is no webhook
and no event for a judgement, since it is none. Whoever starts and ends the time is recorded.
"""

import logging
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from time import process_time
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection import detector, doorbell
from detection.errors import Refused, StorageAway
from detection.models import Detection, ModelVersion, ShadowJudgement
from detection.models.leased import Leased
from detection.services import registry
from ml.errors import ArtifactError, DecoderUnavailable, UnreadableImage

log = logging.getLogger(__name__)

QUEUE = Detection.Queue.BULK
TASK = "detection.tasks.run_shadow"
LONGEST = timedelta(days=28)
# A transaction that ends a detection takes less than its task may; its time is of its beginning.
COMMITS_WITHIN = timedelta(minutes=2)
LOOKED_AT = 5_000  # verdicts a sweep
MOST_WAITING = 500  # judgements; more would be of verdicts long past
# Behind by more than this, older verdicts are left out and the sample is that much smaller.
MOST_BEHIND = timedelta(hours=6)
RUNG_AT_ONCE = 20
COLUMNS = ("verdict", "probability", "reasons", "timings_ms")
SHARE_STEPS = 10_000


def start(version: ModelVersion, *, by: User, until: datetime, share: float) -> None:
    """Let a model judge silently until then, beginning with what is judged from now on.

    Args:
        until: in the future, at most `LONGEST` away.
        share: of the active model's verdicts, in (0, 1].
    Raises:
        Refused: it judges already, or another model is being tried.
        ValueError: the time or the share is out of bounds.
    """
    now = timezone.now()
    if not now < until <= now + LONGEST:
        raise ValueError(f"until must lie within {LONGEST.days} days, not at {until}")
    if not 0 < share <= 1:
        raise ValueError(f"a share lies above 0 and up to 1, not at {share}")
    try:
        with transaction.atomic():
            _end_due()
            row = ModelVersion.objects.select_for_update().get(pk=version.pk)
            if row.state == ModelVersion.State.ACTIVE:
                raise Refused("shadow_is_active")
            before = _state(row)
            row.shadowed_since, row.shadowed_until = now, until
            row.is_shadow, row.shadow_share, row.shadow_cursor = True, share, now
            row.save(
                update_fields=[
                    "shadowed_since",
                    "shadowed_until",
                    "is_shadow",
                    "shadow_share",
                    "shadow_cursor",
                ]
            )
            _record("model_version.shadow_started", row, by=by, before=before)
    except IntegrityError:
        raise Refused("shadow_taken") from None


def stop(version: ModelVersion, *, by: User) -> None:
    """End it before its time; what was judged stays, what waits is dropped.

    Raises:
        Refused: it does not judge silently.
    """
    with transaction.atomic():
        row = ModelVersion.objects.select_for_update().get(pk=version.pk)
        if not row.is_shadow:
            raise Refused("shadow_not_running")
        _end(row, by=by)


def sweep(*, again_after: timedelta) -> int:
    """End what is over, make work of new verdicts, and ring; says how many doorbells."""
    with transaction.atomic():
        _end_due()
    ShadowJudgement.objects.exhausted().update(
        status=Leased.Status.FAILED, failure_code="attempts_exhausted", completed_at=Now()
    )
    version = ModelVersion.objects.shadow()
    if version is None:
        return 0
    order_new(version)
    return ring_waiting(again_after=again_after)


def order_new(version: ModelVersion) -> int:
    """Make work of verdicts given since the last look; says how much."""
    waiting = ShadowJudgement.objects.filter(version=version, status=Leased.Status.QUEUED)
    if version.shadow_cursor is None or waiting.count() >= MOST_WAITING:
        return 0
    behind = timezone.now() - MOST_BEHIND
    begin = max(version.shadow_cursor - COMMITS_WITHIN, version.shadowed_since or behind, behind)
    seen = _judged_since(begin, version)
    chosen = [pk for pk, _at in seen if is_sampled(pk, version.shadow_share)]
    with transaction.atomic():
        made = ShadowJudgement.objects.bulk_create(
            [ShadowJudgement(detection_id=pk, version=version) for pk in chosen],
            ignore_conflicts=True,
        )
        if seen:
            last = seen[-1][1]
            # Full: the next look goes on behind these, and not behind the margin for late commits.
            cursor = last + COMMITS_WITHIN if len(seen) == LOOKED_AT else last
            ModelVersion.objects.filter(pk=version.pk, is_shadow=True).update(
                shadow_cursor=max(cursor, version.shadow_cursor)
            )
    return len(made)


def is_sampled(detection_id: uuid.UUID, share: float) -> bool:
    """Whether a detection belongs to this share of all; the same answer at every look."""
    return detection_id.int % SHARE_STEPS < share * SHARE_STEPS


def judge(judgement_id: uuid.UUID | str, *, worker: str) -> None:
    """Claim, judge, keep; a repeated delivery finds nothing to claim and returns."""
    claim = ShadowJudgement.objects.claim(judgement_id, worker=worker)
    if claim is None:
        return
    if claim.detection.image.erased_at or not claim.version.is_shadow:
        claim.delete()
        return
    began = process_time()
    try:
        judgement = detector.judge(claim.detection.image, claim.version)
    except StorageAway:
        claim.hand_on()
        return
    except (UnreadableImage, ArtifactError, DecoderUnavailable, detector.OriginalMissing) as error:
        log.warning("silent judgement %s: %s", claim.pk, error.code)
        if isinstance(error, ArtifactError):
            registry.note_damage(claim.version, error.code)
        if not (error.code in detector.WORTH_ANOTHER_TRY and claim.release()):
            claim.fail(error.code)
        return
    result = {name: judgement.result[name] for name in COLUMNS}
    result["timings_ms"]["cpu"] = round(1000 * (process_time() - began), 2)
    claim.complete(**result)


def give_up(judgement_id: uuid.UUID | str, *, worker: str) -> None:
    """End the attempt that this process had begun when its time ran out."""
    held = ShadowJudgement.objects.filter(
        pk=judgement_id, status=Leased.Status.RUNNING, lease_owner=worker
    )
    for row in held:
        row.fail("decoder_timeout")


def ring(judgements: Iterable[uuid.UUID]) -> bool:
    return all(doorbell.send(TASK, [str(pk)], QUEUE) for pk in judgements)


def ring_waiting(*, again_after: timedelta) -> int:
    """Ring for a few, and only while nothing else lies in the queue for batches."""
    if doorbell.unanswered(QUEUE) != 0 or _is_bulk_waiting():
        return 0
    waiting = ShadowJudgement.objects.unheard(again_after)
    some = list(waiting.values_list("pk", flat=True)[:RUNG_AT_ONCE])
    if not some or not ring(some):
        return 0
    ShadowJudgement.objects.filter(pk__in=some).update(rung_at=Now())
    return len(some)


def forget_image(image_id: uuid.UUID) -> None:
    """What was silently said of an image goes with it."""
    ShadowJudgement.objects.filter(detection__image=image_id).delete()


def _judged_since(begin: datetime, version: ModelVersion) -> list[tuple[uuid.UUID, datetime]]:
    """Verdicts of the active model on what was submitted, the oldest first, not shadowed yet."""
    shadows = ShadowJudgement.objects.filter(detection=OuterRef("pk"), version=version)
    rows = Detection.objects.filter(
        ~Exists(shadows),
        status=Detection.Status.DONE,
        completed_at__gt=begin,
        judged_before=None,
        model_version__state=ModelVersion.State.ACTIVE,
        image__erased_at=None,
    )
    oldest = rows.order_by("completed_at", "pk").values_list("pk", "completed_at")[:LOOKED_AT]
    return [(pk, at) for pk, at in oldest if at is not None]


def _is_bulk_waiting() -> bool:
    return Detection.objects.filter(queue=QUEUE, status=Detection.Status.QUEUED).exists()


def _end_due() -> None:
    """End what has run its time, or has become the model that judges."""
    for row in ModelVersion.objects.select_for_update().filter(is_shadow=True):
        is_over = row.shadowed_until is None or row.shadowed_until <= timezone.now()
        if is_over or row.state == ModelVersion.State.ACTIVE:
            _end(row, by=None)


def _end(row: ModelVersion, *, by: User | None) -> None:
    before, now = _state(row), timezone.now()
    row.is_shadow = False
    row.shadowed_until = min(row.shadowed_until or now, now)
    row.save(update_fields=["is_shadow", "shadowed_until"])
    unfinished = [Leased.Status.QUEUED, Leased.Status.RUNNING]
    ShadowJudgement.objects.filter(version=row, status__in=unfinished).delete()
    _record("model_version.shadow_ended", row, by=by, before=before)


def _state(row: ModelVersion) -> dict[str, Any]:
    return {
        "is_shadow": row.is_shadow,
        "since": row.shadowed_since.isoformat() if row.shadowed_since else None,
        "until": row.shadowed_until.isoformat() if row.shadowed_until else None,
        "share": row.shadow_share,
    }


def _record(action: str, row: ModelVersion, *, by: User | None, before: dict[str, Any]) -> None:
    audit.record(
        action,
        actor=by,
        target=row,
        target_sha256=row.artifact_sha256,
        before=before,
        after=_state(row),
    )
