"""The owner's word that an image may be learnt from, once a reviewer has said what it is."""

from collections.abc import Callable
from functools import partial

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection.errors import Refused
from detection.models import Image, ReviewItem
from detection.services import reviewed_labels
from detection.services.reviewed import review_of


def set_training_consent(*, by: User, image: Image, is_allowed: bool) -> bool:
    """Allow that an image is learnt from, or withdraw that; False where it was so already.

    Where a review stands already, the image becomes a label at once; withdrawn, it is one no more.

    Raises:
        Refused: somebody else owns it, it is confidential, or it was being erased.
    """
    if image.owner_id != by.pk:
        raise Refused("not_yours")
    with transaction.atomic():
        row = Image.objects.select_related("owner").held_fast(image.pk)
        if is_allowed and row.is_confidential:
            raise Refused("confidential_not_learnt")
        if (row.training_consent_at is not None) == is_allowed:
            return False
        row.training_consent_at = timezone.now() if is_allowed else None
        row.save(update_fields=["training_consent_at"])
        if is_allowed:
            _learn_what_was_reviewed(row)
        else:
            reviewed_labels.unlearn(row, by=by)
        _record(by, row, is_allowed=is_allowed)
    return True


def drop_training_consent(image: Image, *, by: User | None) -> list[Callable[[], None]]:
    """Take the consent from an image that is held fast and is being hidden or erased.

    Whoever does that takes out its labels as well; see `reviewed_labels`.

    Returns:
        What records it, to be called after all rows.
    """
    allowed = Image.objects.filter(pk=image.pk).exclude(training_consent_at=None)
    if not allowed.update(training_consent_at=None):
        return []
    return [partial(_record, by, image, is_allowed=False)]


def _learn_what_was_reviewed(image: Image) -> None:
    review = review_of(image.pk)
    if review is not None:
        rows = ReviewItem.objects.select_related("detection__image")
        reviewed_labels.learn(rows.get(pk=review.item))


def _record(by: User | None, image: Image, *, is_allowed: bool) -> None:
    audit.record(
        "image.training_allowed" if is_allowed else "image.training_withdrawn",
        actor=by,
        target=image,
        owner=image.owner,
        target_sha256=image.sha256,
    )
