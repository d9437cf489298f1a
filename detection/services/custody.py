"""Who may see an image, and that it may not be erased."""

from collections.abc import Callable

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection.errors import Refused
from detection.models import Image
from detection.services import review
from detection.services.cases import withdraw_hidden
from detection.services.consent import drop_training_consent


def set_confidential(*, by: User, image: Image, is_confidential: bool) -> bool:
    """Hide an image from reviewers, or show it to them again; False where it is so already.

    A hidden one leaves the review desk, and the cases that its owner did not put it into; nothing
    is learnt from it.

    Raises:
        Refused: it is on legal hold, and stays visible to those who must keep it.
    """
    with transaction.atomic():
        rows = Image.objects.select_for_update(of=("self",)).select_related("owner")
        row = rows.filter(pk=image.pk, erased_at=None).first()
        if row is None or row.is_confidential == is_confidential:
            return False
        if is_confidential and row.held_at:
            raise Refused("held_stays_visible")
        Image.objects.filter(pk=row.pk).update(is_confidential=is_confidential)
        withdrawn = withdraw(row, by=by) if is_confidential else []
        record_confidentiality(by=by, image=image, is_confidential=is_confidential)
        for record in withdrawn:
            record()
    return True


def withdraw(image: Image, *, by: User) -> list[Callable[[], object]]:
    """Take an image that its owner just hid from where others find it; what is to be recorded."""
    return [
        *withdraw_hidden(image, by=by),
        *review.withdraw_of(image, by=by),
        *drop_training_consent(image, by=by),
    ]


def record_confidentiality(*, by: User, image: Image, is_confidential: bool) -> None:
    audit.record(
        "image.confidentiality_changed",
        actor=by,
        target=image,
        owner=image.owner,
        target_sha256=image.sha256,
        before={"is_confidential": not is_confidential},
        after={"is_confidential": is_confidential},
    )


def hold(*, by: User, image: Image, reason: str) -> bool:
    """Keep an image from being erased by anybody; False where it is held already."""
    with transaction.atomic():
        free = Image.objects.filter(pk=image.pk, erased_at=None, held_at=None)
        if not free.update(held_at=timezone.now(), hold_reason=reason):
            return False
        _record("image.held", by=by, image=image, reason=reason)
    return True


def lift_hold(*, by: User, image: Image, reason: str) -> bool:
    """Let an image be erased again; False where it is not held."""
    with transaction.atomic():
        held = Image.objects.filter(pk=image.pk).exclude(held_at=None)
        if not held.update(held_at=None, hold_reason=""):
            return False
        _record("image.hold_lifted", by=by, image=image, reason=reason)
    return True


def _record(action: str, *, by: User, image: Image, reason: str) -> None:
    audit.record(
        action,
        actor=by,
        target=image,
        owner=image.owner,
        target_sha256=image.sha256,
        detail={"reason": reason},
    )
