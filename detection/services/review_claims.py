"""Who holds an item: at most one reviewer, by a lease that they renew while they look at it."""

import uuid
from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection.errors import Refused
from detection.models import PassedOn, ReviewItem
from detection.models.review_item import ReviewItemQuerySet
from detection.services import review_golden
from detection.services.review import refuse_own
from detection.services.review_record import held, record
from detection.services.review_rules import ESCALATED

LEASE_S = 600
PASSED_ON_FOR = timedelta(days=1)  # so long an item is not handed to whoever gave it to others
MOST_HELD = 20  # by one reviewer, so that nobody takes the desk's whole work
MOST_OPINIONS = 3
FIRST_PORTION, LATER_PORTIONS = 50, 1000  # of free items that are looked at together


def next_item(by: User) -> ReviewItem | None:
    """Claim the most urgent free item that this reviewer may decide; None where there is none.

    Now and then it is one whose truth is known, which looks like any other.

    Raises:
        Refused: they hold as many as one reviewer may.
    """
    with transaction.atomic(), audit.together():
        _refuse_more_claims(by)
        row = next(filter(None, map(_first_free, _portions(by))), None)
        if row is None:
            return None
        row = review_golden.mixed_in(by=by, instead_of=row) or row
        if not ReviewItem.objects.claim(row.pk, by=by, seconds=LEASE_S):
            return None
        record("review.claimed", by=by, item=row)
    return ReviewItem.objects.get(pk=row.pk)


def waiting_for(by: User) -> ReviewItemQuerySet:
    """Free items that `next_item` may hand to this reviewer, in no order."""
    rows = ReviewItem.objects.reviewable_by(by).free()
    return rows.not_passed_on_by(by, within=PASSED_ON_FOR)


def _portions(by: User) -> Iterator[list[uuid.UUID]]:
    """Ids that `waiting_for` finds, most urgent first, some at a time.

    What is free is walked by the index, and who may decide it asked of each portion: in one
    statement that locks, PostgreSQL sorts the whole desk for its first row (0.2 s of 10,000).
    """
    front, size = ReviewItem.objects.free().most_urgent_first(), FIRST_PORTION
    while portion := list(front.values_list("urgency", "created_at", "pk")[:size]):
        ids = [pk for _urgency, _at, pk in portion]
        fit = set(waiting_for(by).filter(pk__in=ids).values_list("pk", flat=True))
        yield [pk for pk in ids if pk in fit]
        front = ReviewItem.objects.free().after(*portion[-1]).most_urgent_first()
        size = LATER_PORTIONS


def _first_free(ids: list[uuid.UUID]) -> ReviewItem | None:
    """The first of them, held; whoever asks at the same time passes over it."""
    rows = ReviewItem.objects.free().filter(pk__in=ids).select_related("detection__image__owner")
    held_one = rows.select_for_update(of=("self",), skip_locked=True)
    return held_one.most_urgent_first().first()


def claim(*, item: ReviewItem, by: User) -> ReviewItem:
    """Take an item, or renew the lease of one that is held; gives it with its lease.

    Raises:
        Refused: somebody else holds it, or it is not this reviewer's to decide.
    """
    with transaction.atomic():
        row = held(item)
        refuse_deciding(row, by)
        is_renewed = ReviewItem.objects.held_by(by).filter(pk=row.pk).exists()
        if not is_renewed:
            _refuse_more_claims(by)
        if not ReviewItem.objects.claim(row.pk, by=by, seconds=LEASE_S):
            raise Refused("review_claimed")
        if not is_renewed:
            record("review.claimed", by=by, item=row)
    row.refresh_from_db(fields=["claimed_by", "claimed_until"])
    return row


def release(*, item: ReviewItem, by: User) -> bool:
    """Give back an item; False where this reviewer does not hold it."""
    with transaction.atomic():
        row = held(item)
        if row.claimed_by_id != by.pk:
            return False
        _free(row)
        record("review.released", by=by, item=row)
    return True


def skip(*, item: ReviewItem, by: User) -> None:
    """Leave an item to others; it is not handed to this reviewer again for a day.

    Raises:
        Refused: it is not this reviewer's to decide, or somebody else holds it.
    """
    with transaction.atomic():
        row = held(item)
        refuse_deciding(row, by)
        _refuse_held_by_another(row, by)
        PassedOn.objects.create(item=row, by=by, kind=PassedOn.Kind.SKIPPED)
        _free(row)
        record("review.skipped", by=by, item=row)


def escalate(*, item: ReviewItem, by: User, note: str = "") -> None:
    """Give an item to others more urgently, with a note; one more independent opinion is wanted.

    It is not handed to whoever escalates for a day, and goes before everything else to the next
    administrator or moderator.

    Raises:
        Refused: as `skip`.
    """
    with transaction.atomic():
        row = held(item)
        refuse_deciding(row, by)
        _refuse_held_by_another(row, by)
        PassedOn.objects.create(item=row, by=by, kind=PassedOn.Kind.ESCALATED, note=note)
        if not row.is_escalated and not row.golden_id:
            row.opinions_wanted = min(MOST_OPINIONS, row.opinions_wanted + 1)
        make_urgent(row)
        _free(row)
        after = {"opinions_wanted": row.opinions_wanted}
        record("review.escalated", by=by, item=row, after=after, note=note)


def make_urgent(row: ReviewItem) -> None:
    """Escalate an item that is held fast: before everything else, once. The caller saves it."""
    if not row.is_escalated:
        row.is_escalated = True
        row.urgency += ESCALATED


def is_held(row: ReviewItem) -> bool:
    """Whether somebody's lease on an item still lasts."""
    is_open = row.status == ReviewItem.Status.OPEN
    return is_open and row.claimed_until is not None and row.claimed_until > timezone.now()


def refuse_deciding(row: ReviewItem, by: User) -> None:
    """Let only those decide an item that is held fast who may.

    Raises:
        Refused: it is closed, one's own, or decided by this reviewer already.
    """
    if row.decisions.filter(by=by, undone_at=None).exists():
        raise Refused("decided_already")
    if row.status != ReviewItem.Status.OPEN:
        raise Refused("review_not_open")
    refuse_own(row, by)
    if row.golden is not None and row.golden.added_by_id == by.pk:
        raise Refused("own_review")


def _refuse_held_by_another(row: ReviewItem, by: User) -> None:
    is_free = ReviewItem.objects.free().filter(pk=row.pk).exists()
    if not is_free and row.claimed_by_id != by.pk:
        raise Refused("review_claimed")


def _refuse_more_claims(by: User) -> None:
    if ReviewItem.objects.held_by(by).count() >= MOST_HELD:
        raise Refused("too_many_held")


def _free(row: ReviewItem) -> None:
    row.claimed_by, row.claimed_until = None, None
    row.save()
