"""Who holds an item: at most one reviewer, by a lease that they renew while they look at it."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

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


def next_item(by: User) -> ReviewItem | None:
    """Claim the most urgent free item that this reviewer may decide; None where there is none.

    Now and then it is one whose truth is known, which looks like any other.

    Raises:
        Refused: they hold as many as one reviewer may.
    """
    with transaction.atomic():
        _refuse_more_claims(by)
        # Whoever asks at the same time passes over the row that this one is about to claim.
        rows = waiting_for(by).select_for_update(of=("self",), skip_locked=True)
        row = rows.most_urgent_first().first()
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
    return rows.not_passed_on_by(by, within=PASSED_ON_FOR).select_related("detection__image__owner")


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
    if row.status != ReviewItem.Status.OPEN:
        raise Refused("review_not_open")
    refuse_own(row, by)
    if row.decisions.filter(by=by, undone_at=None).exists():
        raise Refused("decided_already")
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
