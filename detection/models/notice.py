"""What a person is told: the outcome of what they asked for or disputed, and of cases.

A notice is its own order to mail it: due from `mail_due_at`, claimed with a lease by the database's
clock, and sent when `mailed_at` says so. Those of one person that are due go in one mail.
"""

import secrets
import uuid
from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection.models.case import Case
from detection.models.detection import Detection
from detection.models.image import visibility
from detection.models.newest_first import NewestFirst

# Longer than a task may run, so that a living sender never loses its lease.
LEASE = timedelta(seconds=60)
# Of an unsent notice: its time has come, by the database's clock, and nobody has it in hands.
IS_DUE = (Q(lease_until=None) | Q(lease_until__lt=Now())) & Q(mail_due_at__lte=Now())


class NoticeQuerySet(NewestFirst["Notice"]):
    def visible_to(self, user: User) -> Self:
        """One's own, about images and cases that one may still see."""
        seen = visibility(user, "detection__image__")
        seen |= Q(case__in=Case.objects.visible_to(user).values("pk"))
        return self.filter(seen, user=user)

    def about_images(self) -> Self:
        return self.filter(case=None)

    def unseen(self) -> Self:
        return self.filter(seen_at=None)

    def unsent(self) -> Self:
        """To be mailed, now or later."""
        return self.filter(mailed_at=None, mail_due_at__isnull=False)

    def given_up(self, *, after: int) -> Self:
        """Not mailed any more, since more than so many attempts failed."""
        # in the words of their index, or SQLite does not take it
        tried = self.filter(mailed_at=None, mail_due_at=None, mail_attempt__gt=0)
        return tried.filter(mail_attempt__gt=after)

    def due(self) -> Self:
        """To be mailed now, and in nobody's hands."""
        return self.filter(IS_DUE, mailed_at=None)

    def claim(self, user: int, *, at_most: int) -> str:
        """Lease what is due for one person; gives the lease's name, empty where nothing is."""
        lease = secrets.token_hex(16)
        first = self.due().filter(user=user).order_by("created_at").values("pk")[:at_most]
        won = self.due().filter(pk__in=list(first.values_list("pk", flat=True)))
        taken = won.update(
            lease_owner=lease, lease_until=Now() + LEASE, mail_attempt=F("mail_attempt") + 1
        )
        return lease if taken else ""

    def leased_as(self, lease: str) -> Self:
        """What this claim still holds (the fence)."""
        return self.filter(lease_owner=lease, mailed_at=None)

    def let_go(self, **fields: object) -> int:
        """End the lease, and write what became of it."""
        return self.update(lease_owner="", lease_until=None, **fields)

    def spare_mail(self) -> int:
        """Have no mail sent about these any more."""
        return self.filter(mailed_at=None).update(mail_due_at=None)


class Notice(models.Model):
    """One thing that happened to a detection or in a case, for one person; seen or not yet."""

    class Kind(models.TextChoices):
        REVIEW_COMPLETED = "review_completed", _("A reviewer decided")
        REVIEW_WITHDRAWN = "review_withdrawn", _("A decision was taken back")
        JUDGED_AGAIN = "judged_again", _("A newer model judged otherwise")
        CASE_SHARED = "case_shared", _("Added to a case")  # or given another role there

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=24, choices=Kind.choices)
    detection = models.ForeignKey(
        Detection, models.PROTECT, related_name="notices", null=True, blank=True
    )
    case = models.ForeignKey(
        Case, models.CASCADE, related_name="+", null=True, blank=True, db_index=False
    )
    about = models.JSONField(default=dict, blank=True)  # codes and ids; never text of a person
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    seen_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)
    mail_due_at = models.DateTimeField(null=True, blank=True)  # empty where no mail is wanted
    mail_attempt = models.PositiveSmallIntegerField(default=0, db_default=0)
    lease_owner = models.CharField(max_length=64, blank=True, default="", db_default="")
    lease_until = models.DateTimeField(null=True, blank=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice")
        constraints = [
            models.CheckConstraint(
                condition=Q(detection=None, case__isnull=False)
                | Q(detection__isnull=False, case=None),
                name="notice_is_of_one_thing",
            )
        ]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="notice_newest_first"),
            models.Index(fields=["user"], condition=Q(seen_at=None), name="notice_unseen"),
            models.Index(
                fields=["mail_due_at"],
                condition=Q(mailed_at=None, mail_due_at__isnull=False),
                name="notice_unsent",
            ),
            models.Index(
                fields=["mail_attempt"],
                condition=Q(mailed_at=None, mail_due_at=None, mail_attempt__gt=0),
                name="notice_given_up",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.detection_id or self.case_id}"
