"""The review desk: which detections a person should look at, and bringing them there.

Who takes an item is the matter of `review_claims`, what they say of it that of `review_decisions`.
Whoever changes an item holds its image first, then the item, and records last.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection.errors import Refused
from detection.models import Decision, Detection, GoldenImage, Image, PassedOn, ReviewItem
from detection.models.review_item import ReviewItemQuerySet
from detection.services import reviewed_labels, telling
from detection.services.review_record import held, record
from detection.services.review_rules import URGENCY, is_drawn, rules

Status, Reason = ReviewItem.Status, ReviewItem.Reason


@dataclass(frozen=True)
class ReviewState:
    """How far the review of a detection is; nobody is named.

    Attributes:
        status: `open` or `closed`.
        outcome: what counts at present; while it is looked at once more, what was said before.
    """

    status: str
    outcome: str | None
    decided_at: datetime | None
    reasons: list[str]


def open_item(
    detection: Detection, reason: str, *, by: User | None = None, previous: ReviewItem | None = None
) -> ReviewItem | None:
    """Bring a detection to the desk, in the caller's transaction, which holds its image fast.

    An open item gets the reason in addition; whatever is confidential or erased gets none, and
    neither does what has no verdict. To be called before the caller records anything itself.

    Args:
        reason: of `ReviewItem.Reason`.
        by: who asked for it, and is told the outcome; None for a rule.
        previous: the closed item that somebody wants to be looked at again.
    """
    image = Image.objects.select_related("owner").get(pk=detection.image_id)
    if image.is_confidential or image.erased_at or detection.status != Detection.Status.DONE:
        return None
    row = _hold_open(detection)
    if row is not None:
        row.detection.image = image
        return _with_reason(row, reason, by=by, previous=previous)
    pk = uuid.uuid4()
    row = ReviewItem.objects.create(
        id=pk,
        detection=detection,
        reasons=[str(reason)],
        urgency=URGENCY[Reason(reason)],
        opinions_wanted=2 if _wants_second_opinion(pk) else 1,
        previous=previous,
    )
    row.detection.image = image
    if by is not None:
        row.asked_by.add(by)
    record("review.opened", by=by, item=row, after={"reason": str(reason)})
    return row


def flag(*, by: User, detection: Detection) -> ReviewItem:
    """Ask that a person looks at a detection that one may see; gives what it became.

    Where reviewers have said what counts, that is the answer, and nobody looks again.

    Raises:
        Refused: there is no verdict yet, the image is confidential, or it was erased.
    """
    with transaction.atomic():
        image = Image.objects.held_fast(detection.image_id)
        if image.is_confidential:
            raise Refused("confidential_not_reviewed")
        row = standing(detection) or open_item(detection, Reason.FLAGGED, by=by)
        if row is None:
            raise Refused("no_verdict_to_review")
    return row


def reopen(*, item: ReviewItem, by: User, note: str = "") -> ReviewItem:
    """Have a closed item looked at again: by a new one, which names it. Its outcome counts no more.

    Raises:
        Refused: it is open, it does not count any more, one does not review one's own image or
            claim, or nobody may see it.
    """
    with transaction.atomic():
        row = held(item)
        refuse_own(row, by)
        if row.status != Status.CLOSED or row.golden_id:
            raise Refused("review_not_closed")
        if _came_later(row):
            raise Refused("reviewed_since")
        _hold_open(row.detection)
        with audit.together():
            telling.review_withdrawn(row)
            reviewed_labels.unlearn(row.detection.image, by=by, because="reopened")
            new = open_item(row.detection, Reason.REOPENED, by=by, previous=row)
            if new is None:
                raise Refused("confidential_not_reviewed")
            record("review.reopened", by=by, item=row, after={"by_item": str(new.pk)}, note=note)
    return new


def refuse_own(item: ReviewItem, by: User) -> None:
    """Nobody reviews their own image or their own claim.

    Raises:
        Refused: it is one's own.
    """
    detection = item.detection
    if detection.image.owner_id == by.pk or detection.feedback.filter(by=by).exists():
        raise Refused("own_review")


def standing(detection: Detection) -> ReviewItem | None:
    """The review whose outcome counts: the newest closed one, unless it is being done again."""
    return standing_among(list(detection.review_items.of_the_desk()))


def standing_among(items: Sequence[ReviewItem]) -> ReviewItem | None:
    """As `standing`, of items of one detection that are at hand."""
    closed = [item for item in items if item.closed_at is not None]
    latest = max(closed, key=lambda item: item.closed_at or item.created_at, default=None)
    if latest is None or any(item.previous_id == latest.pk for item in items):
        return None
    return latest


def state_of(items: Sequence[ReviewItem]) -> ReviewState | None:
    """What is said beside a verdict of the items about it; None where nobody reviews it."""
    newest = max(items, key=lambda item: item.created_at, default=None)
    if newest is None or newest.status == Status.WITHDRAWN:
        return None
    found = standing_among(items)
    return ReviewState(
        status=newest.status,
        outcome=found.outcome if found else None,
        decided_at=found.closed_at if found else None,
        reasons=newest.reasons,
    )


def withdraw_of(image: Image, *, by: User | None) -> list[Callable[[], object]]:
    """Take an image that is erased or confidential from the desk; what is to be recorded of it.

    To be called in the transaction that holds the image.
    """
    GoldenImage.objects.filter(image=image, retired_at=None).update(retired_at=timezone.now())
    return withdraw(ReviewItem.objects.open().filter(detection__image=image), by=by)


def withdraw(rows: ReviewItemQuerySet, *, by: User | None) -> list[Callable[[], object]]:
    """Take open items from the desk; what is to be recorded of it."""
    found = list(rows.select_for_update(of=("self",)).select_related("detection__image__owner"))
    gone = {"status": Status.WITHDRAWN, "claimed_by": None, "claimed_until": None}
    ReviewItem.objects.filter(pk__in=[row.pk for row in found]).update(**gone)
    return [partial(record, "review.withdrawn", by=by, item=row) for row in found]


def forget_image(image: Image, *, by: User | None) -> list[Callable[[], object]]:
    """As `withdraw_of`, and nothing stays of what reviewers wrote about an erased image."""
    events = withdraw_of(image, by=by)
    Decision.objects.filter(item__detection__image=image).update(note="")
    PassedOn.objects.filter(item__detection__image=image).update(note="")
    GoldenImage.objects.filter(image=image).update(note="")
    return events


def forget_person(person: User) -> None:
    """Empty what an erased person wrote, and free what they held; what they decided stays."""
    Decision.objects.filter(by=person).update(note="")
    PassedOn.objects.filter(by=person).update(note="")
    GoldenImage.objects.filter(added_by=person).update(note="")
    held_by_them = ReviewItem.objects.filter(claimed_by=person)
    held_by_them.update(claimed_by=None, claimed_until=None)


def _hold_open(detection: Detection) -> ReviewItem | None:
    """The open item about a detection, if there is one: it stays as it is until this ends."""
    rows = ReviewItem.objects.open().of_the_desk().select_for_update(of=("self",))
    return rows.filter(detection=detection).first()


def _came_later(row: ReviewItem) -> bool:
    """Whether another item about the image says what counts, or is to say it, instead of this."""
    others = ReviewItem.objects.of_the_desk().filter(detection__image=row.detection.image_id)
    others = others.exclude(pk=row.pk).exclude(status=Status.WITHDRAWN)
    return others.filter(Q(previous=row) | Q(closed_at__gt=row.closed_at)).exists()


def _with_reason(
    row: ReviewItem, reason: str, *, by: User | None, previous: ReviewItem | None
) -> ReviewItem:
    if by is not None:
        row.asked_by.add(by)
    is_new = reason not in row.reasons
    if not is_new and (previous is None or row.previous_id):
        return row
    if is_new:
        was_urgent = URGENCY[max(map(Reason, row.reasons), key=URGENCY.__getitem__)]
        row.urgency += max(0, URGENCY[Reason(reason)] - was_urgent)
        row.reasons = [*row.reasons, str(reason)]
    row.previous = row.previous or previous
    row.save(update_fields=["reasons", "urgency", "previous"])
    if is_new:
        record("review.reason_added", by=by, item=row, after={"reason": str(reason)})
    return row


def _wants_second_opinion(pk: uuid.UUID) -> bool:
    return is_drawn(pk, rules().second_opinion_share, for_what="second opinion")
