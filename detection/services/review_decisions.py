"""What reviewers say of an item, how their opinions become its outcome, and taking them back."""

import uuid
from collections import Counter
from collections.abc import Collection
from datetime import timedelta

from django.db import models, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import ApiKey, User
from detection.errors import Refused
from detection.models import Decision, Outcome, ReviewItem
from detection.services import reviewed_labels, telling
from detection.services.review_claims import LEASE_S, make_urgent, refuse_deciding
from detection.services.review_record import held, record
from detection.services.reviewed import review_of

UNDONE_WITHIN = timedelta(minutes=15)  # by whoever decided; administrators at any time


def decide(
    *,
    item: ReviewItem,
    by: User,
    outcome: str,
    reason: str,
    note: str = "",
    api_key: ApiKey | None = None,
) -> Decision:
    """Say what one holds an image to be; the item closes once it has as many opinions as it wants.

    Whoever claimed it decides, also after the lease ran out if nobody else took it meanwhile. Two
    opinions that differ ask for a third.

    Raises:
        Refused: it is not this reviewer's to decide, they have not claimed it, or lost it.
    """
    with transaction.atomic(), audit.together():
        row = held(item)
        refuse_deciding(row, by)
        if row.claimed_by_id != by.pk:
            raise Refused("review_claimed" if row.claimed_by_id else "review_not_claimed")
        earlier = row.decisions.filter(undone_at=None)
        decision = Decision.objects.create(
            item=row,
            by=by,
            api_key=api_key,
            outcome=Outcome(outcome),
            reason=Decision.Reason(reason),
            note=note,
            is_blind=earlier.exists(),
            began_at=row.claimed_at,
        )
        _weigh(row)
        record(
            "review.decided",
            by=by,
            item=row,
            after={
                "decision": str(decision.pk),
                "outcome": decision.outcome,
                "reason": decision.reason,
                "item": row.outcome or row.status,
            },
            note=note,
        )
    decision.item = row
    return decision


def undo(*, decision: Decision, by: User) -> ReviewItem:
    """Take back a decision: one's own within a quarter of an hour, an administrator any.

    The item is open again, and held by whoever took back their own.

    Raises:
        Refused: it is too late, another's, taken back before, or there is a newer review.
    """
    with transaction.atomic(), audit.together():
        row = held(decision.item)
        now = Decision.objects.select_for_update().get(pk=decision.pk)
        _refuse_undoing(now, row, by)
        now.undone_at = timezone.now()
        now.save(update_fields=["undone_at"])
        was_closed = row.status == ReviewItem.Status.CLOSED
        if was_closed:
            _open_again(row, by=by)
        if now.by_id == by.pk:
            ReviewItem.objects.claim(row.pk, by=by, seconds=LEASE_S)
        after = {"decision": str(now.pk), "opened": was_closed}
        record("review.decision_undone", by=by, item=row, after=after)
    row.refresh_from_db(fields=["claimed_by", "claimed_until"])
    return row


def shown_to(user: User, item: ReviewItem) -> models.QuerySet[Decision]:
    """The decisions on an item that a reviewer may know of, the oldest first.

    While it is open, one's own alone: nobody is to follow an opinion that came before.
    """
    rows = item.decisions.filter(undone_at=None).select_related("by").order_by("created_at")
    return rows.filter(by=user) if item.status == ReviewItem.Status.OPEN else rows


def blind_to(user: User, items: Collection[ReviewItem]) -> set[uuid.UUID]:
    """Those of these items about an image that this reviewer may still decide about.

    Nobody is to follow what others said of it: neither on an open item nor on an earlier one.
    """
    images = {item.detection.image_id for item in items}
    to_decide = ReviewItem.objects.reviewable_by(user).filter(detection__image__in=images)
    blind = set(to_decide.values_list("detection__image", flat=True))
    return {item.pk for item in items if item.detection.image_id in blind}


def may_know(user: User, item: ReviewItem, row: Decision, *, even_undone: bool = False) -> bool:
    """As `shown_to`, of a decision that is at hand."""
    is_standing = row.undone_at is None or even_undone
    is_open = item.status == ReviewItem.Status.OPEN
    return is_standing and (row.by_id == user.pk or not is_open)


def _weigh(row: ReviewItem) -> None:
    """Close an item that has its opinions; ask for a third where two differ.

    A desk without another reviewer who might give one makes nobody wait for it.
    """
    row.claimed_by, row.claimed_until = None, None
    given = list(row.decisions.filter(undone_at=None).values_list("outcome", flat=True))
    if len(given) == row.opinions_wanted == 2 and len(set(given)) == 2:
        make_urgent(row)
        row.opinions_wanted = 3
    if len(given) >= row.opinions_wanted or not _others(row).exists():
        row.status, row.closed_at = ReviewItem.Status.CLOSED, timezone.now()
        row.outcome = _majority(given)
    row.save()
    if row.outcome and not row.golden_id:
        _pass_on(row)


def _others(row: ReviewItem) -> models.QuerySet[User]:
    """Reviewers who might give one more opinion on an item."""
    reviewers = User.objects.filter(
        is_active=True, role__in=[User.Role.MODERATOR, User.Role.ADMIN]
    ).exclude(pk=row.detection.image.owner_id)
    decided = row.decisions.filter(undone_at=None).values("by")
    return reviewers.exclude(pk__in=decided).exclude(pk__in=row.detection.feedback.values("by"))


def _majority(given: list[str]) -> str:
    outcome, votes = Counter(given).most_common(1)[0]
    return outcome if votes > len(given) / 2 else Outcome.CANNOT_TELL


def _pass_on(row: ReviewItem) -> None:
    """Tell who waits for it, and let it be learnt from, instead of what was said before."""
    telling.review_completed(row)
    image = row.detection.image
    closed = ReviewItem.objects.of_the_desk().filter(
        detection__image=image, status=ReviewItem.Status.CLOSED
    )
    before = closed.exclude(pk=row.pk).order_by("-closed_at").first()
    if before is not None and before.outcome != row.outcome:
        reviewed_labels.unlearn(image, because="reviewed_again")
    reviewed_labels.learn(row)


def _open_again(row: ReviewItem, *, by: User) -> None:
    said = row.outcome
    row.status, row.closed_at, row.outcome = ReviewItem.Status.OPEN, None, ""
    row.save()
    if row.golden_id:
        return
    # What would have replaced it was withdrawn, so that it counts again once it is decided.
    ReviewItem.objects.filter(previous=row, status="withdrawn").update(previous=None)
    telling.review_withdrawn(row)
    image = row.detection.image
    before = review_of(image.pk)
    if before is None or before.outcome != said:
        reviewed_labels.unlearn(image, by=by, because="undone")
    if before is not None:
        reviewed_labels.learn(ReviewItem.objects.get(pk=before.item))


def _refuse_undoing(decision: Decision, row: ReviewItem, by: User) -> None:
    if decision.undone_at or row.status == ReviewItem.Status.WITHDRAWN:
        raise Refused("decision_not_standing")
    if row.detection.image.is_confidential:
        raise Refused("confidential_not_reviewed")
    if by.role != User.Role.ADMIN:
        if decision.by_id != by.pk:
            raise Refused("decision_not_yours")
        if decision.created_at < timezone.now() - UNDONE_WITHIN:
            raise Refused("undone_too_late")
    newer = ReviewItem.objects.of_the_desk().exclude(pk=row.pk).exclude(status="withdrawn")
    if (
        not row.golden_id
        and newer.filter(detection=row.detection, created_at__gt=row.created_at).exists()
    ):
        raise Refused("reviewed_since")
