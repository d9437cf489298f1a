"""One change to many images: each for itself, so that one that cannot be changed stops no other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import DatabaseError
from django.utils.translation import gettext as _

from accounts.models import User
from detection.errors import Refused
from detection.models import Case, Detection
from detection.services import cases, consent, custody, tags

MAX_AT_ONCE = 100
Change = Callable[[User, Detection], bool]


@dataclass(frozen=True)
class Outcome:
    """What became of one row.

    Attributes:
        is_changed: False where it was so already, or could not be done.
        refusal: why it could not be done; empty where it was.
    """

    detection: Detection
    is_changed: bool
    refusal: str = ""


def change_each(*, by: User, rows: Sequence[Detection], change: Change) -> list[Outcome]:
    """Change row by row, each in a transaction of its own with its event."""
    return [_outcome(by, row, change) for row in rows]


def tagging(names: Sequence[str]) -> Change:
    """Each tag in a transaction of its own: those before one that is refused stay."""

    def tag(by: User, row: Detection) -> bool:
        added = [tags.add_tag(by=by, image=row.image, name=name) for name in names]
        return any(added)

    return tag


def untagging(names: Sequence[str]) -> Change:
    def untag(by: User, row: Detection) -> bool:
        removed = [tags.remove_tag(by=by, image=row.image, name=name) for name in names]
        return any(removed)

    return untag


def adding_to(case: Case, *, shares_confidential: bool) -> Change:
    def add(by: User, row: Detection) -> bool:
        added = cases.add_images(
            by=by, case=case, images=[row.image], shares_confidential=shares_confidential
        )
        return bool(added)

    return add


def moving(source: Case, target: Case, *, shares_confidential: bool) -> Change:
    def move(by: User, row: Detection) -> bool:
        if source == target or not source.images.filter(pk=row.image_id).exists():
            return False
        cases.move_image(
            by=by,
            image=row.image,
            source=source,
            target=target,
            shares_confidential=shares_confidential,
        )
        return True

    return move


def hiding(by: User, row: Detection) -> bool:
    """Mark one's own image confidential."""
    if row.image.owner_id != by.pk:
        raise Refused("not_yours")
    return custody.set_confidential(by=by, image=row.image, is_confidential=True)


def allowing_training(*, is_allowed: bool) -> Change:
    """Let one's own images be learnt from, or withdraw that."""
    return lambda by, row: consent.set_training_consent(
        by=by, image=row.image, is_allowed=is_allowed
    )


def _outcome(by: User, row: Detection, change: Change) -> Outcome:
    try:
        return Outcome(row, change(by, row))
    except Refused as refusal:
        return Outcome(row, False, str(refusal))
    except DatabaseError:
        return Outcome(row, False, _("The database could not do this now. Try again."))
