"""What reviewers decided about images, for whoever may see them: never who decided."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from accounts.models import User
from detection.models import Decision, ReviewItem


@dataclass(frozen=True)
class Review:
    """A review that stands.

    Attributes:
        outcome: of `Outcome`.
        reasons: codes of `Decision.Reason`, of those who decided so.
        opinions: how many people looked, each by themselves.
    """

    item: uuid.UUID
    detection: uuid.UUID
    outcome: str
    reasons: tuple[str, ...]
    decided_at: datetime
    opinions: int


def review_of(image_id: uuid.UUID) -> Review | None:
    """The latest review of an image that stands; it is about the image, whichever model judged."""
    return reviews_of([image_id]).get(image_id)


def reviews_of(image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Review]:
    """The same for many images, in two queries; those without one are left out.

    What was opened again stands no more, and golden items say nothing of anybody's image.
    """
    rows = _standing(image_ids).select_related("detection")
    rows = rows.prefetch_related(_standing_decisions())
    return {row.detection.image_id: _review(row) for row in rows}  # the latest comes last


def decided_at(image_id: uuid.UUID) -> datetime | None:
    """When the latest review that stands was decided; None where there is none."""
    return _standing([image_id]).values_list("closed_at", flat=True).last()


def review_in(item: ReviewItem) -> Review:
    """What a closed item says."""
    rows = ReviewItem.objects.select_related("detection").prefetch_related(_standing_decisions())
    return _review(rows.get(pk=item.pk))


def _standing(image_ids: Collection[uuid.UUID]) -> QuerySet[ReviewItem]:
    """Closed items about these images that nobody opened again, the latest last."""
    reopened = ReviewItem.objects.filter(previous=OuterRef("pk"))
    return ReviewItem.objects.filter(
        ~Exists(reopened),
        detection__image__in=image_ids,
        status=ReviewItem.Status.CLOSED,
        golden=None,
    ).order_by("closed_at")


def _standing_decisions() -> Prefetch:
    standing = Decision.objects.filter(undone_at=None).order_by("created_at", "id")
    return Prefetch("decisions", queryset=standing)


def _review(row: ReviewItem) -> Review:
    assert row.closed_at is not None
    decisions = list(row.decisions.all())
    reasons = dict.fromkeys(one.reason for one in decisions if one.outcome == row.outcome)
    return Review(
        row.pk, row.detection_id, row.outcome, tuple(reasons), row.closed_at, len(decisions)
    )


def forget_person(person: User) -> None:
    """Empty what an erased person wrote; what they decided stays under their number."""
    Decision.objects.filter(by=person).update(note="")
