"""The facts of a stored file, read again where an older desk read less."""

from typing import Any

from django.core.cache import cache

from detection import detector
from detection.models import Image
from ml.errors import DecoderUnavailable, UnreadableImage

FAILED = "reading_failed"  # among the facts: by what this desk would have read and could not
PAUSE_S = 60


def current_facts(image: Image) -> dict[str, Any]:
    """`image.facts`, read anew and kept if they came before this desk read so much.

    An image that was never decoded, or is no longer there, keeps what it has. What could not be
    read is not tried again by the same release; while the decoder is away, not for a moment.
    """
    facts: dict[str, Any] = image.facts
    if not facts or detector.is_read_whole(facts) or facts.get(FAILED, 0) >= detector.READS:
        return facts
    if not cache.add(f"file-reading:{image.pk}", True, PAUSE_S):
        return facts
    try:
        facts = detector.facts_of(image, detector.decode(image))
    except (DecoderUnavailable, detector.OriginalMissing):
        return facts
    except UnreadableImage:
        facts = {**facts, FAILED: detector.READS}
    Image.objects.filter(pk=image.pk, erased_at=None).update(facts=facts)
    image.facts = facts
    return facts
