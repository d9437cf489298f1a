"""What reviewers decided about images, for whoever may see them: never who decided."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet, TextChoices
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection.errors import Refused
from detection.models import Decision, Detection, Outcome, Report, ReviewItem

# A verdict, and the outcome that says the opposite.
OPPOSITE = {
    ("likely_authentic", Outcome.MANIPULATED.value),
    ("likely_manipulated", Outcome.AUTHENTIC.value),
}


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

    Where the latest was opened again, what was said before it counts no more either; golden items
    say nothing of anybody's image.
    """
    rows = _closed(image_ids).select_related("detection").prefetch_related(_standing_decisions())
    latest = {row.detection.image_id: row for row in rows}  # the latest comes last
    return {pk: _review(row) for pk, row in latest.items() if not row.is_reopened}


def reviews_shown_to(user: User, image_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Review]:
    """As `reviews_of`, without those of images that this reviewer may still decide about.

    Nobody is to follow what others said before, be it about an item that measures reviewers.
    """
    found = reviews_of(image_ids)
    if not found:
        return {}
    to_decide = ReviewItem.objects.reviewable_by(user).filter(detection__image__in=[*found])
    blind = set(to_decide.values_list("detection__image", flat=True))
    return {pk: review for pk, review in found.items() if pk not in blind}


def is_hidden_from(user: User, image_id: uuid.UUID) -> bool:
    """Whether a review of this image stands that this reviewer is not to be told of yet."""
    return bool(reviews_of([image_id])) and not reviews_shown_to(user, [image_id])


def refuse_to_tell(by: User, report: Report) -> None:
    """Of a report, as of everything else, as far as one is told.

    Raises:
        Refused: it says what others decided, and this reviewer may still decide about the image.
    """
    if report.reviewed_at is None or report.by_id == by.pk:
        return
    to_decide = ReviewItem.objects.reviewable_by(by)
    if to_decide.filter(detection__image=report.detection.image_id).exists():
        raise Refused("decide_before_reporting")


class Said(TextChoices):
    """What the history can be searched by: an outcome, any, or one that contradicts the verdict."""

    ANY = "any", _("Decided")
    AUTHENTIC = Outcome.AUTHENTIC.value, Outcome.AUTHENTIC.label
    MANIPULATED = Outcome.MANIPULATED.value, Outcome.MANIPULATED.label
    CANNOT_TELL = Outcome.CANNOT_TELL.value, Outcome.CANNOT_TELL.label
    CONTRADICTS = "contradicts", _("Contradicts the verdict")


def detections_reviewed(user: User, said: str) -> QuerySet[Detection]:
    """Detections of images about which a review stands that says so, as far as one is told.

    Args:
        said: of `Said`; a verdict is contradicted by the opposite outcome.
    """
    items = _told_to(user)
    if said in Outcome.values:
        items = items.filter(outcome=said)
    if said != Said.CONTRADICTS:
        return Detection.objects.filter(image__in=items.values("detection__image"))
    opposite = Q()
    for verdict, outcome in OPPOSITE:
        about = items.filter(outcome=outcome).values("detection__image")
        opposite |= Q(verdict=verdict, image__in=about)
    return Detection.objects.filter(opposite)


def outcome_counts_of(image_ids: QuerySet[Any], user: User) -> dict[str, int]:
    """Of how many of these images reviewers said what, as far as one is told."""
    items = _told_to(user).filter(detection__image__in=image_ids)
    rows = (
        items.order_by().values_list("outcome").annotate(Count("detection__image", distinct=True))
    )
    return dict(rows)


def decided_at(image_id: uuid.UUID) -> datetime | None:
    """When the latest review that stands was decided; None where there is none."""
    latest = _closed([image_id]).values_list("closed_at", "is_reopened").last()
    return latest[0] if latest and not latest[1] else None


def review_in(item: ReviewItem) -> Review:
    """What a closed item says."""
    rows = ReviewItem.objects.select_related("detection").prefetch_related(_standing_decisions())
    return _review(rows.get(pk=item.pk))


def _closed(image_ids: Collection[uuid.UUID]) -> QuerySet[Any]:
    """Closed items about these images, the latest last, and whether each was opened again."""
    again = ReviewItem.objects.filter(previous=OuterRef("pk"))
    return (
        ReviewItem.objects.filter(
            detection__image__in=image_ids, status=ReviewItem.Status.CLOSED, golden=None
        )
        .annotate(is_reopened=Exists(again))
        .order_by("closed_at")
    )


def _told_to(user: User) -> QuerySet[ReviewItem]:
    """Of each image the latest closed item, where it was not opened again, nor one that this
    person may still decide about is open."""
    closed = ReviewItem.objects.filter(status=ReviewItem.Status.CLOSED, golden=None)
    later = closed.filter(
        detection__image=OuterRef("detection__image"), closed_at__gt=OuterRef("closed_at")
    )
    again = ReviewItem.objects.filter(previous=OuterRef("pk"))
    standing = closed.filter(~Exists(later), ~Exists(again))
    if not user.is_reviewer:
        return standing
    to_decide = ReviewItem.objects.reviewable_by(user).values("detection__image")
    return standing.exclude(detection__image__in=to_decide)


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
