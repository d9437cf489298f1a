"""Putting images into cases. Pages about cases bring the whole; history needs these two."""

from collections.abc import Iterable

from django.db import transaction

from accounts import audit
from accounts.models import User
from detection.models import Case, Image


def add_images(
    *, by: User, case: Case, images: Iterable[Image], shares_confidential: bool = False
) -> int:
    """Put images into a case; how many were not in it before."""
    with transaction.atomic():
        known = set(case.images.values_list("pk", flat=True))
        new = [image for image in images if image.pk not in known]
        case.images.add(*new)
        for image in new:
            _record("case.image_added", by, case, image)
    return len(new)


def move_image(
    *, by: User, image: Image, source: Case, target: Case, shares_confidential: bool = False
) -> None:
    """Take an image from one case to another."""
    with transaction.atomic():
        source.images.remove(image)
        _record("case.image_removed", by, source, image)
        add_images(by=by, case=target, images=[image], shares_confidential=shares_confidential)


def _record(action: str, by: User, case: Case, image: Image) -> None:
    audit.record(
        action,
        actor=by,
        target=case,
        owner=image.owner,
        target_sha256=image.sha256,
        after={"image": str(image.pk)},
    )
