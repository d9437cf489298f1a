"""What the modules of the review desk share: holding an item fast, and its events."""

from collections.abc import Mapping
from typing import Any

from accounts import audit
from accounts.models import User
from detection.models import Image, ReviewItem

MAX_NOTE = 2000


def held(item: ReviewItem) -> ReviewItem:
    """The row as it is now, with its image; neither changes until the transaction ends.

    Raises:
        Refused: somebody has erased the image.
    """
    image = Image.objects.select_related("owner").held_fast(item.detection.image_id)
    rows = ReviewItem.objects.select_for_update(of=("self",)).select_related("detection")
    row = rows.get(pk=item.pk)
    row.detection.image = image
    return row


def record(
    action: str,
    *,
    by: User | None,
    item: ReviewItem,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    note: str = "",
) -> None:
    """Append an event about an item to the chain of its image's owner."""
    image = item.detection.image
    audit.record(
        action,
        actor=by,
        target=item,
        owner=image.owner,
        target_sha256=image.sha256,
        before=before,
        after={"detection": str(item.detection_id), **(after or {})},
        detail={"note": note} if note else None,
    )
