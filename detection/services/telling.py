"""Tells whoever asked or disputed what became of a detection: page, e-mail, webhook.

And whoever is added to a case that they are: page and e-mail.

All of it is rows, written in the transaction of what they tell of; see `detection.models.notice`
and `detection.models.webhook` for how they leave the desk.
"""

import uuid
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from detection.models import (
    Case,
    Detection,
    Feedback,
    Image,
    Notice,
    ReviewItem,
    Submission,
    WebhookEndpoint,
    outbox,
    review_outbox,
)
from detection.services.delivering import ring_after_commit
from detection.services.reviewed import review_in

# Before a notice is mailed: several go in one mail, and what is taken back at once in none.
MAIL_DELAY = timedelta(minutes=1)
Kind = Notice.Kind
Event = WebhookEndpoint.Event


def review_completed(item: ReviewItem) -> None:
    """An item was closed with an outcome; in the transaction that closed it.

    Told are the image's owner, everybody whose claim stands and whoever asked for a person, as far
    as they may still see the image; nobody is told of golden items, nor who decided.
    """
    if item.golden_id:
        return
    detection, review = _detection(item.detection_id), review_in(item)
    said: dict[str, Any] = {
        "outcome": review.outcome,
        "reasons": list(review.reasons),
        "decided_at": outbox.utc(review.decided_at),
    }
    about = {"item": str(item.pk), **said}
    _notify(_concerned(item, detection), Kind.REVIEW_COMPLETED, about, detection=detection)
    occasion = f"{item.pk}@{review.decided_at.isoformat()}"
    ring_after_commit(
        review_outbox.tell(
            detection, Event.REVIEW_COMPLETED, said, occasion=occasion, at=review.decided_at
        )
    )


def review_withdrawn(item: ReviewItem) -> None:
    """A closed item was opened again, or its decision undone; in that transaction.

    Told is whoever was told of the outcome. Where no mail about that has left yet, none will.
    """
    if item.golden_id:
        return
    detection, now = _detection(item.detection_id), timezone.now()
    told = Notice.objects.filter(
        detection=detection, kind=Kind.REVIEW_COMPLETED, about__item=str(item.pk)
    )
    waiting = told.filter(mailed_at=None).exclude(mail_due_at=None)
    spared = set(waiting.values_list("user", flat=True))
    waiting.spare_mail()
    people = User.objects.filter(pk__in=told.values("user"), is_active=True)
    about = {"item": str(item.pk)}
    seeing = people.filter(_sees(detection.image))
    _notify(seeing, Kind.REVIEW_WITHDRAWN, about, detection=detection, unmailed=spared)
    said: dict[str, Any] = {"outcome": None, "reasons": [], "decided_at": None}
    occasion = f"{item.pk}@{now.isoformat()}"
    ring_after_commit(
        review_outbox.tell(detection, Event.REVIEW_WITHDRAWN, said, occasion=occasion, at=now)
    )


def judged_again(detection: Detection) -> None:
    """A newer model has judged what `detection.judged_before` judged; in that transaction.

    Owners are told where the verdict differs.
    """
    before = detection.judged_before
    if before is None or detection.verdict in {"", before.verdict}:
        return
    about = {
        "before": before.verdict,
        "before_detection": str(before.pk),
        "verdict": detection.verdict,
    }
    owner = User.objects.filter(pk=detection.image.owner_id, is_active=True)
    _notify(owner, Kind.JUDGED_AGAIN, about, detection=detection)


def added_to_case(case: Case, person: User, *, role: str) -> None:
    """Somebody was let into a case; in that transaction."""
    _notify([person], Kind.CASE_SHARED, {"role": role}, case=case)


def role_in_case(case: Case, person: User, *, role: str, was: str) -> None:
    """Somebody's role in a case was changed by another; in that transaction.

    What they were told of their role before and have not seen holds no more.
    """
    Notice.objects.filter(user=person, case=case, seen_at=None).delete()
    _notify([person], Kind.CASE_SHARED, {"role": role, "was": was}, case=case)


def gone_from_case(case: Case, person: User) -> None:
    """Nothing is told any more of a case to whoever went; in that transaction."""
    Notice.objects.filter(user=person, case=case).delete()


def mark_seen(
    *, by: User, notices: Collection[uuid.UUID] | None = None, about_images: bool = False
) -> int:
    """Note that a person has seen these of their notices, or all of them; says how many.

    Args:
        about_images: those alone.
    """
    rows = Notice.objects.filter(user=by).unseen()
    if about_images:
        rows = rows.about_images()
    if notices is not None:
        rows = rows.filter(pk__in=notices)
    return rows.update(seen_at=Now())


def forget_image(image: Image) -> None:
    """Nothing is told any more of an image that is erased."""
    Notice.objects.filter(detection__image=image).delete()


def forget_person(person: User) -> None:
    """What an erased person was told goes with them."""
    Notice.objects.filter(user=person).delete()


def _detection(pk: Any) -> Detection:
    return Detection.objects.select_related("image__owner", "model_version").get(pk=pk)


def _concerned(item: ReviewItem, detection: Detection) -> Iterable[User]:
    """Who is told, each once."""
    claims = Feedback.objects.standing().filter(detection=detection)
    flags = Submission.objects.filter(detection=detection, wants_review=True)
    asked = Q(pk__in=claims.values("by")) | Q(pk__in=flags.values("by"))
    asked |= Q(pk__in=item.asked_by.values("pk")) | Q(pk=detection.image.owner_id)
    return User.objects.filter(asked, _sees(detection.image), is_active=True)


def _sees(image: Image) -> Q:
    """Which people may see an image: the same as `visibility`, from its side."""
    cases = Case.objects.filter(images=image)
    sees = Q(pk=image.owner_id) | Q(pk__in=cases.values("owner"))
    sees |= Q(pk__in=cases.filter(members__isnull=False).values("members__user"))
    if not image.is_confidential:
        sees |= Q(role__in=[User.Role.MODERATOR, User.Role.ADMIN])
    return sees


def _notify(
    people: Iterable[User],
    kind: Notice.Kind,
    about: dict[str, Any],
    *,
    detection: Detection | None = None,
    case: Case | None = None,
    unmailed: Collection[int] = (),
) -> None:
    Notice.objects.bulk_create(
        Notice(
            user=person,
            kind=kind,
            detection=detection,
            case=case,
            about=about,
            mail_due_at=Now() + MAIL_DELAY if _wants_mail(person, unmailed) else None,
        )
        for person in people
    )


def _wants_mail(person: User, unmailed: Collection[int]) -> bool:
    return settings.HAS_MAIL and person.wants_mail and person.pk not in unmailed
