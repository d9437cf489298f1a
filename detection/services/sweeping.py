"""What keeps the promise that no detection is forgotten: rings again, and ends the hopeless."""

from datetime import timedelta

from django.db.models.functions import Now

from detection.doorbell import announce_end, ring, unanswered
from detection.models import Detection
from detection.services import (
    comparisons,
    dataset_imports,
    delivering,
    judging_again,
    layers,
    mailing,
    regions,
    shadowing,
)
from detection.services.leases import free_dead_leases

RING_AGAIN_AFTER = timedelta(seconds=30)
# So many messages in a queue keep its workers busy until the next sweep; more bells only pile up.
ENOUGH_MESSAGES = 200
IMPORTS_AT_ONCE = 10


def sweep(*, ring_again_after: timedelta = RING_AGAIN_AFTER) -> dict[str, int]:
    """One round: leases freed, rows ended, doorbells rung for detections and for webhooks.

    Args:
        ring_again_after: how long a doorbell may go unheard; short after a worker's death, which
            takes the messages it had fetched with it.
    """
    return {
        "freed": free_dead_leases(),
        "failed": fail_exhausted(),
        "rung": sum(ring_waiting(queue, ring_again_after) for queue in Detection.Queue.values),
        "rung_for_webhooks": ring_for_webhooks(ring_again_after),
        "rung_for_layers": ring_for_layers(ring_again_after),
        "rung_for_regions": ring_for_regions(ring_again_after),
        "rung_for_shadows": shadowing.sweep(again_after=ring_again_after),
        "rung_for_news": ring_for_news(),
        "rung_for_comparisons": ring_for_comparisons(ring_again_after),
        "rung_for_judging_again": judging_again.ring_waiting(again_after=ring_again_after),
        "rung_for_imports": ring_for_imports(ring_again_after),
    }


def fail_exhausted() -> int:
    """End the rows whose last attempt's lease ran out."""
    hopeless = Detection.objects.exhausted().select_related("image__owner", "model_version")
    failed = [detection for detection in hopeless if detection.fail("attempts_exhausted")]
    for detection in failed:
        announce_end(detection.pk)
        delivering.ring_or_leave_due(detection.deliveries_written)
    others = (layers, regions, comparisons, judging_again, dataset_imports)
    return len(failed) + sum(other.fail_exhausted() for other in others)


def ring_waiting(
    queue: str = Detection.Queue.DETECT, again_after: timedelta = RING_AGAIN_AFTER
) -> int:
    """Ring for queued rows nobody took and for expired leases, those unheard longest first."""
    pending = unanswered(queue)
    if pending is None or pending >= ENOUGH_MESSAGES:
        return 0
    waiting = Detection.objects.filter(queue=queue).unheard(again_after)
    rung = 0
    for pk in waiting.values_list("pk", flat=True)[: ENOUGH_MESSAGES - pending]:
        if not ring(pk, queue):
            break  # the broker is away: the rows stay due, the next sweep tries again
        Detection.objects.filter(pk=pk).update(rung_at=Now())
        rung += 1
    return rung


def ring_for_webhooks(again_after: timedelta = RING_AGAIN_AFTER) -> int:
    """Ring for deliveries that are due: retries, expired leases, doorbells that were lost."""
    pending = unanswered(delivering.QUEUE)
    if pending is None or pending >= ENOUGH_MESSAGES:
        return 0
    return delivering.ring_waiting(again_after=again_after, at_most=ENOUGH_MESSAGES - pending)


def ring_for_layers(again_after: timedelta = RING_AGAIN_AFTER) -> int:
    """Ring for layers of evidence that were asked for and that nobody draws."""
    pending = unanswered(layers.QUEUE)
    if pending is None or pending >= ENOUGH_MESSAGES:
        return 0
    return layers.ring_waiting(again_after=again_after, at_most=ENOUGH_MESSAGES - pending)


def ring_for_regions(again_after: timedelta = RING_AGAIN_AFTER) -> int:
    """Ring for parts of images that were asked for and that nobody judges."""
    pending = unanswered(regions.QUEUE)
    if pending is None or pending >= ENOUGH_MESSAGES:
        return 0
    return regions.ring_waiting(again_after=again_after, at_most=ENOUGH_MESSAGES - pending)


def ring_for_news() -> int:
    """Ring for people who have news to be mailed; nothing else rings for them."""
    pending = unanswered(mailing.QUEUE)
    if pending is None or pending >= ENOUGH_MESSAGES:
        return 0
    return mailing.ring_waiting(at_most=ENOUGH_MESSAGES - pending)


def ring_for_comparisons(again_after: timedelta = RING_AGAIN_AFTER) -> int:
    """Ring for comparisons that were ordered and that nobody goes on with."""
    pending = unanswered(comparisons.QUEUE)
    if pending is None or pending >= ENOUGH_MESSAGES:
        return 0
    return comparisons.ring_waiting(again_after=again_after, at_most=ENOUGH_MESSAGES - pending)


def ring_for_imports(again_after: timedelta = RING_AGAIN_AFTER) -> int:
    """Ring for imports whose next slice nobody works off.

    However full the queue is: there are few of them, and each waits its turn behind it.
    """
    if unanswered(dataset_imports.QUEUE) is None:
        return 0
    return dataset_imports.ring_waiting(again_after=again_after, at_most=IMPORTS_AT_ONCE)
