"""Which detections come to the review desk by a rule: looked at once they have ended.

The end of a detection marks its row, in the same statement; nobody waits for more. What is marked
is looked at later, each in a transaction that takes the mark away, so that a crash loses none.
"""

import logging
import time

from django.db import DatabaseError, transaction
from django.db.models import Max

from accounts import audit
from accounts.models import User
from detection.errors import Refused
from detection.models import Detection, Image, ReviewItem, ReviewRules, Submission
from detection.services import seen_before
from detection.services.review import open_item, standing
from detection.services.review_rules import MOST_URGENT_BY_RULE, held_rules, is_drawn, rules
from detection.services.seen_before import UNSEEN, Kind

log = logging.getLogger(__name__)

Reason, Verdict = ReviewItem.Reason, Detection.Verdict
AT_ONCE = 500
MOST_SECONDS = 10.0  # a task has twice as many
OPPOSITE = {
    Verdict.LIKELY_AUTHENTIC: Verdict.LIKELY_MANIPULATED,
    Verdict.LIKELY_MANIPULATED: Verdict.LIKELY_AUTHENTIC,
}


def screen() -> int:
    """Look at what ended and nobody has looked at; says at how many."""
    until, screened, in_force = time.monotonic() + MOST_SECONDS, 0, rules()
    marked = Detection.objects.filter(awaits_screening=True).order_by("completed_at")
    for row in marked.select_related("image").defer(*UNSEEN[:4])[:AT_ONCE]:
        if time.monotonic() > until:
            break
        try:
            _screen(row, in_force)
        except DatabaseError:  # it stays marked; the others need not wait for it
            log.exception("detection %s could not be screened", row.pk)
            continue
        screened += 1
    return screened


def disagrees(row: Detection) -> bool:
    """Whether a copy of the picture, by another file, was given the opposite verdict."""
    opposite = OPPOSITE.get(Verdict(row.verdict))
    if opposite is None:
        return False
    found = seen_before.find(None, seen_before.fingerprint(row.image), beside=row)
    return any(
        match.kind != Kind.POSSIBLE
        and match.detection.image_id != row.image_id
        and match.detection.verdict == opposite
        for match in found.matches
    )


def _screen(row: Detection, in_force: ReviewRules) -> None:
    by_rule = _reasons_by_rule(row, in_force)  # takes longest, and nobody waits for it
    with transaction.atomic():
        try:
            Image.objects.held_fast(row.image_id)
        except Refused:  # erased meanwhile
            by_rule = []
        marked = Detection.objects.filter(pk=row.pk, awaits_screening=True)
        if marked.select_for_update(no_key=True).first() is None:
            return  # somebody else has looked at it
        marked.update(awaits_screening=False)
        if by_rule and not _has_room(row):
            by_rule = []
        with audit.together():
            for person in _who_asked(row):
                open_item(row, Reason.FLAGGED, by=person)
            for reason in by_rule:
                open_item(row, reason)


def _reasons_by_rule(row: Detection, in_force: ReviewRules) -> list[ReviewItem.Reason]:
    """Of what is judged for the first time, and did not come to the desk before."""
    is_new = row.judged_before_id is None and not row.review_items.of_the_desk().exists()
    if not is_new or row.image.is_confidential or not row.verdict:
        return []
    rules_met = {
        Reason.DISAGREEMENT: in_force.on_disagreement and disagrees(row),
        Reason.INCONCLUSIVE: in_force.on_inconclusive and _is_unclear_to_a_person(row),
        Reason.SAMPLE: is_drawn(row.pk, in_force.sample_share, for_what="sample"),
    }
    return [reason for reason, is_met in rules_met.items() if is_met]


def _is_unclear_to_a_person(row: Detection) -> bool:
    by_page = row.submissions.filter(via=Submission.Via.PAGE)
    return row.verdict == Verdict.INCONCLUSIVE and by_page.exists()


def _who_asked(row: Detection) -> list[User]:
    """Whoever wants that a person looks at it, where no review says already what counts."""
    if standing(row) is not None:
        return []
    requests = row.submissions.filter(wants_review=True)
    latest = row.review_items.of_the_desk().aggregate(at=Max("created_at"))["at"]
    if latest is not None:
        requests = requests.filter(created_at__gt=latest)
    return list(User.objects.filter(pk__in=requests.values("by")).order_by("pk"))


def _has_room(row: Detection) -> bool:
    """Whether a rule may bring another one, or this one lies at the desk anyway.

    Holds the rules, so that two that look at once do not both take the last place.
    """
    limit = held_rules().open_limit
    waiting = ReviewItem.objects.open().of_the_desk()
    if waiting.filter(detection=row).exists():
        return True
    return waiting.filter(urgency__lte=MOST_URGENT_BY_RULE)[:limit].count() < limit
