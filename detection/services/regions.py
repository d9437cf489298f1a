"""Having a chosen part of an image judged by itself."""

import logging
import math
import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from deepfake_site.rate_limits import Limit, take
from detection import detector, doorbell, previews, storage
from detection.doorbell import announce_end
from detection.errors import Refused, StorageAway
from detection.models import Detection, Image, Region
from detection.models.region import BOX_FIELDS
from detection.words import TRANSIENT_FAILURES

log = logging.getLogger(__name__)

TASK, QUEUE = "detection.tasks.run_region", "evidence"
MOST_PER_DETECTION = 20
PER_PERSON = Limit(60, 3600)
# JPEG's blocks, of which the veto of heavy compression expects one to start at the corner.
BLOCK_PX = 8
BLOCK_FORMATS = {"JPEG", "MPO"}
# EXIF orientations after which the first stored pixel lies at the right, or at the bottom.
FROM_THE_RIGHT, FROM_THE_BOTTOM = {2, 3, 6, 7}, {3, 4, 7, 8}
ROUNDING = 1e-6  # two shares that should come to 1 may come to a little more


def request(*, by: User, detection: Detection, box: Sequence[float]) -> Region:
    """Have one part of a judged image judged by itself; the verdict of the whole stays.

    The same part is judged once, whoever asks and however often; one that failed for a passing
    reason is tried again.

    Args:
        box: left, top, width, height in shares of the oriented picture.
    Raises:
        Refused: there is no such part, it cannot be judged, or too many were asked for.
    """
    if detection.status != Detection.Status.DONE:
        raise Refused("no_parts_yet")
    with transaction.atomic():
        image = Image.objects.select_related("owner").held_fast(detection.image_id)
        detection.image = image
        place = pixel_box(image, box, min_side_px=min_side_px(detection))
        fields = dict(zip(BOX_FIELDS, place, strict=True))
        known = detection.regions.filter(**fields).first()
        if known is not None:
            known.detection = detection
            retry(by=by, region=known)
            return known
        _refuse_too_many(by, detection)
        region = Region.objects.create(detection=detection, by=by, rung_at=timezone.now(), **fields)
        region.record("region.requested", by=by, after={"status": region.status})
        _ring_after_commit(region)
    return region


def retry(*, by: User, region: Region) -> bool:
    """Queue a part again that failed for a passing reason; False where it did not."""
    if region.failure_code not in TRANSIENT_FAILURES:
        return False
    with transaction.atomic():
        if not region.queue_again():
            return False
        before = region.failure_code
        region.refresh_from_db(fields=["status", "failure_code", "completed_at", "attempt_limit"])
        region.record("region.retried", by=by, after={"failed_before": before})
        _ring_after_commit(region)
    return True


def pixel_box(image: Image, box: Sequence[float], *, min_side_px: int) -> detector.PixelBox:
    """A part in whole pixels of the oriented picture, on the blocks of a JPEG.

    Raises:
        Refused: it does not lie in the picture, is too small, or is all of it.
    """
    left, top, right, bottom = _edges(box)
    width, height = image.oriented_size
    orientation = image.facts.get("orientation", 1)
    is_blocked = image.facts.get("format", image.format) in BLOCK_FORMATS
    first = _on_block(
        round(left * width), width if orientation in FROM_THE_RIGHT else 0, is_blocked=is_blocked
    )
    above = _on_block(
        round(top * height), height if orientation in FROM_THE_BOTTOM else 0, is_blocked=is_blocked
    )
    across, down = round(right * width) - first, round(bottom * height) - above
    if min(across, down) < max(1, min_side_px):
        size = f"\u2066{max(0, across)} × {max(0, down)}\u2069"  # from left to right in Arabic too
        least = max(1, min_side_px)
        bound = _("%(size)s pixels; each side needs %(least)s") % {"size": size, "least": least}
        raise Refused("region_too_small", bound)
    if (across, down) == (width, height):
        raise Refused("region_is_whole")
    return first, above, across, down


def min_side_px(detection: Detection) -> int:
    """The shorter side under which this model judges nothing."""
    return int(detection.model_version.operating_point.get("min_side_px", 0))


def fail_or_try_again(claim: Region, code: str) -> None:
    """Put the row back and ring where another try may help; else it failed."""
    if code in detector.WORTH_ANOTHER_TRY and claim.release():
        ring(claim.pk)
    elif claim.fail(code):
        announce_end(claim.pk)


def show(claim: Region, judgement: detector.Judgement) -> None:
    """Say that a part has its verdict, and keep its preview."""
    announce_end(claim.pk)
    image_id = claim.detection.image_id
    try:
        previews.write_part_preview(image_id, claim.pk, judgement.pixels)
    except StorageAway as error:  # drawn when somebody looks
        log.warning("preview of part %s: %s", claim.pk, error.code)
    if not Region.objects.filter(pk=claim.pk).exists():
        storage.erase(image_id)  # erased while it was being drawn


def fail_exhausted() -> int:
    """End the rows whose last attempt's lease ran out."""
    hopeless = Region.objects.exhausted().with_detection()
    failed = [region for region in hopeless if region.fail("attempts_exhausted")]
    for region in failed:
        announce_end(region.pk)
    return len(failed)


def ring_waiting(*, again_after: timedelta, at_most: int) -> int:
    """Ring for parts nobody took and for expired leases, those unheard longest first."""
    waiting = Region.objects.unheard(again_after)
    rung = 0
    for pk in waiting.values_list("pk", flat=True)[:at_most]:
        if not ring(pk):
            break
        Region.objects.filter(pk=pk).update(rung_at=Now())
        rung += 1
    return rung


def ring(pk: uuid.UUID) -> bool:
    return doorbell.send(TASK, [str(pk)], QUEUE)


def _edges(box: Sequence[float]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom, all within 0 and 1."""
    if len(box) != 4 or not all(math.isfinite(share) for share in box):
        raise Refused("region_outside")
    left, top, width, height = box
    right, bottom = left + width, top + height
    is_inside = left >= 0 and top >= 0 and max(right, bottom) <= 1 + ROUNDING
    if not is_inside or width <= 0 or height <= 0:
        raise Refused("region_outside")
    return left, top, min(1.0, right), min(1.0, bottom)


def _on_block(place: int, origin: int, *, is_blocked: bool) -> int:
    """The next pixel from here on at which a block starts, counted from where the first does."""
    return place + (origin - place) % BLOCK_PX if is_blocked else place


def _refuse_too_many(by: User, detection: Detection) -> None:
    if detection.regions.count() >= MOST_PER_DETECTION:
        raise Refused("too_many_regions")
    if not take("regions", str(by.pk), PER_PERSON).is_allowed:
        raise Refused("too_many_regions_at_once")


def _ring_after_commit(region: Region) -> None:
    def announce() -> None:
        if not ring(region.pk):
            # Due at once, not only when this doorbell counts as unheard.
            Region.objects.filter(pk=region.pk).update(rung_at=None)

    transaction.on_commit(announce, robust=True)
