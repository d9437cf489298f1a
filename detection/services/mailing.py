"""Mails what people are told, several notices of one person in one mail.

No mail shows an image or names a file or a case, and none says in its subject what was decided. A
mail is sent at least once: a sender that dies between the server's yes and its own note sends it
again.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Min
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from accounts.models import User
from detection import doorbell
from detection.models import Notice
from detection.news import NewsRow, news_rows, subject_of

log = logging.getLogger(__name__)

QUEUE = "deliver"  # its workers reach out, and wait for slow servers where no verdict waits
TASK = "detection.tasks.mail_news"
MOST_IN_ONE = 200
MOST_LISTED = 20
# After each failure; then it is given up, and the notice stays on the page.
RETRY_AFTER = (
    *(timedelta(minutes=1), timedelta(minutes=10)),
    *(timedelta(hours=1), timedelta(hours=6), timedelta(hours=24)),
)


def ring_waiting(*, at_most: int) -> int:
    """Ring once for each person who has something due, who waits longest first."""
    people = Notice.objects.due().values("user").annotate(since=Min("mail_due_at"))
    rung = 0
    for pk in people.order_by("since").values_list("user", flat=True)[:at_most]:
        if not doorbell.send(TASK, [str(pk)], QUEUE):
            break  # the broker is away: the rows stay due, the next sweep tries again
        rung += 1
    return rung


def mail_news(user_pk: int | str) -> bool:
    """Send one person one mail about all that is due; False where nothing was sent."""
    lease = Notice.objects.claim(int(user_pk), at_most=MOST_IN_ONE)
    if not lease:
        return False
    held = Notice.objects.leased_as(lease)
    # More attempts than there are failures to note: each of them died.
    held.filter(mail_attempt__gt=len(RETRY_AFTER) + 1).let_go(mail_due_at=None)
    person = User.objects.filter(pk=user_pk, is_active=True).first()
    if person is None or not person.wants_mail or not settings.HAS_MAIL:
        held.let_go(mail_due_at=None)
        return False
    rows = Notice.objects.visible_to(person).filter(pk__in=held.values("pk")).unseen()
    told = list(rows.select_related("detection__image").newest_first())
    if not told:  # seen on the page meanwhile, or not theirs to see any more
        held.let_go(mail_due_at=None)
        return False
    try:
        _send(person, told)
    except Exception as error:  # noqa: BLE001 (also one that takes too long, and a bad address)
        log.warning("news for person %s could not be mailed: %s", person.pk, type(error).__name__)
        _postpone(lease)
        return False
    held.let_go(mailed_at=Now())
    return True


def _send(person: User, told: list[Notice]) -> None:
    with translation.override(person.language or settings.LANGUAGE_CODE):
        rows: list[NewsRow] = news_rows(told)
        context = {
            "rows": rows[:MOST_LISTED],
            "more": max(0, len(rows) - MOST_LISTED),
            "origin": settings.UNMASK_ORIGIN,
            "page": settings.UNMASK_ORIGIN + reverse("notices"),
            "account": settings.UNMASK_ORIGIN + reverse("account"),
        }
        send_mail(
            f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}{subject_of(told)}",
            render_to_string("detection/email/news.txt", context),
            settings.DEFAULT_FROM_EMAIL,
            [person.email],
        )


def _postpone(lease: str) -> None:
    """Each notice by its own attempts, so that a new one is not given up with an old one."""
    held = Notice.objects.leased_as(lease)
    for attempt in set(held.values_list("mail_attempt", flat=True)):
        is_last = attempt > len(RETRY_AFTER)
        due = None if is_last else Now() + RETRY_AFTER[attempt - 1]
        held.filter(mail_attempt=attempt).let_go(mail_due_at=due)
