"""The facts of a stored file, read again where an older desk read less."""

from typing import Any

from detection import detector
from detection.models import Image
from ml.errors import DecoderUnavailable, UnreadableImage


def current_facts(image: Image) -> dict[str, Any]:
    """`image.facts`, read anew and kept if they came before this desk read so much.

    An image that was never decoded, or is no longer there, keeps what it has.
    """
    facts: dict[str, Any] = image.facts
    if not facts or detector.is_read_whole(facts):
        return facts
    try:
        facts = detector.facts_of(image, detector.decode(image))
    except (UnreadableImage, DecoderUnavailable, detector.OriginalMissing):
        return facts
    Image.objects.filter(pk=image.pk, erased_at=None).update(facts=facts)
    image.facts = facts
    return facts
