"""What waits for a reviewer, what reviewers decided, and images whose truth is known.

An item is opened by a rule, claimed with a lease by one reviewer at a time, and closed by a
decision, or by two where a second opinion is wanted. A decision is a person's; the detection's own
verdict never changes.
"""

import uuid
from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, When
from django.db.models.functions import Cast, Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from detection.models.detection import Detection
from detection.models.image import Image, visibility
from detection.models.newest_first import NewestFirst
from detection.models.review import Feedback


class Outcome(models.TextChoices):
    """What a reviewer says of an image."""

    AUTHENTIC = "authentic", _("Authentic")
    MANIPULATED = "manipulated", _("Manipulated")
    CANNOT_TELL = "cannot_tell", _("Cannot tell")


class GoldenImage(models.Model):
    """An image whose truth is known for certain; reviewers and models are measured by it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    image = models.OneToOneField(Image, models.PROTECT, related_name="golden")
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    note = models.TextField(blank=True)  # how it is known; at most 2,000 characters
    added_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = NewestFirst.as_manager()

    class Meta:
        verbose_name = _("golden image")
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=["authentic", "manipulated"]), name="golden_truth_is_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.image_id} {self.outcome}"


class ReviewItemQuerySet(NewestFirst["ReviewItem"]):
    def visible_to(self, user: User) -> Self:
        """Items about images that this reviewer may see; nobody else sees any.

        What others decided of a golden image is not shown: it would say that it is one.
        """
        if not user.is_reviewer:
            return self.none()
        shown = ~Q(status=ReviewItem.Status.CLOSED) | Q(golden=None) | Q(_decided_by(user))
        return self.filter(shown, visibility(user, "detection__image__"))

    def beside_verdicts(self, user: User) -> Self:
        """What whoever sees a detection may know of its reviews.

        Also of golden items, what the reviewer who has them knows: so they look like others.
        Whoever may still decide about the image is told of no outcome that it had before.
        """
        shown, rows = Q(golden=None), self
        if user.is_reviewer:
            shown |= Q(status=ReviewItem.Status.OPEN, claimed_by=user) | Q(_decided_by(user))
            image = OuterRef("detection__image")
            to_decide = ReviewItem.objects.reviewable_by(user).filter(detection__image=image)
            rows = rows.exclude(Exists(to_decide), status=ReviewItem.Status.CLOSED)
        return rows.filter(shown).order_by("created_at")

    def reviewable_by(self, user: User) -> Self:
        """Visible items that are open, not about the reviewer's own image or claim nor about a
        truth they gave themselves, and that they have not decided yet."""
        disputed = Feedback.objects.filter(detection=OuterRef("detection"), by=user)
        knows = GoldenImage.objects.filter(pk=OuterRef("golden"), added_by=user)
        return (
            self.visible_to(user)
            .open()
            .filter(~_decided_by(user), ~Exists(disputed), ~Exists(knows))
            .exclude(detection__image__owner=user)
        )

    def open(self) -> Self:
        return self.filter(status=ReviewItem.Status.OPEN)

    def of_the_desk(self) -> Self:
        """Without the golden ones, which tell nobody anything."""
        return self.filter(golden=None)

    def free(self) -> Self:
        """Open ones that nobody holds."""
        return self.open().filter(Q(claimed_until=None) | Q(claimed_until__lt=Now()))

    def held_by(self, user: User) -> Self:
        return self.open().filter(claimed_by=user, claimed_until__gte=Now())

    def not_passed_on_by(self, user: User, *, within: timedelta) -> Self:
        """Without those that this person gave to others so short a time ago."""
        passed = PassedOn.objects.filter(
            item=OuterRef("pk"), by=user, created_at__gt=Now() - within
        )
        return self.filter(~Exists(passed))

    def with_reason(self, reason: str) -> Self:
        """Items that have this reason among others, as no database but one can look into JSON."""
        as_text = self.annotate(reasons_text=Cast("reasons", models.TextField()))
        return as_text.filter(reasons_text__contains=f'"{reason}"')

    def most_urgent_first(self) -> Self:
        return self.order_by("-urgency", "created_at", "id")

    def after(self, urgency: int, created_at: datetime, pk: uuid.UUID) -> Self:
        """Rows that come after this one in `most_urgent_first` order."""
        later = Q(created_at__gt=created_at) | Q(created_at=created_at, pk__gt=pk)
        less = Q(urgency__lt=urgency) | Q(later, urgency=urgency)
        return self.filter(less, urgency__lte=urgency)

    def claim(self, pk: uuid.UUID | str, *, by: User, seconds: int) -> bool:
        """Lease one open item to this reviewer; False when somebody else holds it."""
        free = Q(claimed_until=None) | Q(claimed_until__lt=Now()) | Q(claimed_by=by)
        rows = self.filter(free, pk=pk, status=ReviewItem.Status.OPEN)
        is_renewed = When(claimed_by=by, claimed_until__gte=Now(), then=F("claimed_at"))
        lease = {"claimed_by": by, "claimed_until": Now() + timedelta(seconds=seconds)}
        return bool(rows.update(claimed_at=Case(is_renewed, default=Now()), **lease))


def _decided_by(user: User) -> Exists:
    return Exists(Decision.objects.filter(item=OuterRef("pk"), by=user, undone_at=None))


class ReviewItem(models.Model):
    """A detection that a person should look at, and why."""

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")
        WITHDRAWN = "withdrawn", _("withdrawn")  # its image was erased or made confidential

    class Reason(models.TextChoices):
        DISPUTED = "disputed", _("Somebody disputes the verdict")
        FLAGGED = "flagged", _("Somebody asked for a person")
        DISAGREEMENT = "disagreement", _("A near copy was judged otherwise")
        INCONCLUSIVE = "inconclusive", _("The detector cannot tell")
        SAMPLE = "sample", _("Drawn at random, for quality")
        REOPENED = "reopened", _("Somebody wants it looked at again")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    detection = models.ForeignKey(Detection, models.PROTECT, related_name="review_items")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.OPEN)
    reasons = models.JSONField(default=list)  # of Reason, the first that came first
    asked_by = models.ManyToManyField(User, related_name="asked_reviews", blank=True)
    urgency = models.PositiveSmallIntegerField(default=0)  # the highest of its reasons'
    created_at = models.DateTimeField(_("opened"), default=timezone.now, editable=False)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    claimed_by = models.ForeignKey(
        User, models.PROTECT, related_name="claimed_items", null=True, blank=True
    )
    claimed_at = models.DateTimeField(null=True, blank=True)  # however often it was renewed since
    claimed_until = models.DateTimeField(null=True, blank=True)
    is_escalated = models.BooleanField(default=False)
    opinions_wanted = models.PositiveSmallIntegerField(default=1)  # independent ones
    outcome = models.CharField(max_length=16, choices=Outcome.choices, blank=True)
    # SQLite, which has no statistics, would read an index of all for those without one: nearly all.
    golden = models.ForeignKey(GoldenImage, models.PROTECT, null=True, blank=True, db_index=False)
    previous = models.ForeignKey("self", models.PROTECT, null=True, blank=True)  # it reopens

    objects = ReviewItemQuerySet.as_manager()

    class Meta:
        verbose_name = _("review item")
        constraints = [
            models.UniqueConstraint(
                fields=["detection"],
                condition=Q(status="open", golden=None),
                name="one_open_item_per_detection",
            ),
            models.CheckConstraint(
                condition=Q(status="closed", closed_at__isnull=False) & ~Q(outcome="")
                | ~Q(status="closed") & Q(outcome=""),
                name="closed_means_an_outcome",
            ),
            models.CheckConstraint(
                condition=Q(opinions_wanted__gte=1, opinions_wanted__lte=3),
                name="one_to_three_opinions",
            ),
        ]
        indexes = [
            models.Index(
                F("urgency").desc(),
                "created_at",
                "id",
                condition=Q(status="open"),
                name="review_most_urgent_first",
            ),
            models.Index(fields=["-closed_at"], name="review_closed_latest"),
            models.Index(
                fields=["golden"], condition=Q(golden__isnull=False), name="review_of_golden"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"


class Decision(models.Model):
    """One reviewer's own answer about one item; undone ones stay and count no more."""

    class Reason(models.TextChoices):
        ORIGINAL_FOUND = "original_found", _("The original was found")
        PUBLISHED_ELSEWHERE = "published_elsewhere", _("A trustworthy source published it")
        MAKER_CONFIRMED = "maker_confirmed", _("Whoever made it confirmed it")
        VISIBLE_TRACES = "visible_traces", _("Traces of manipulation can be seen")
        FILE_SAYS = "file_says", _("The file says so: metadata or content credentials")
        EVIDENCE_LAYERS = "evidence_layers", _("The evidence layers show it")
        NOTHING_FOUND = "nothing_found", _("Nothing speaks for a manipulation")
        NOT_ENOUGH = "not_enough", _("Too small, too damaged or too little known")
        OTHER = "other", _("Something else")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    item = models.ForeignKey(ReviewItem, models.PROTECT, related_name="decisions")
    by = models.ForeignKey(User, models.PROTECT, related_name="decisions")
    api_key = models.ForeignKey(ApiKey, models.PROTECT, null=True, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices)
    reason = models.CharField(max_length=24, choices=Reason.choices)
    note = models.TextField(blank=True)  # at most 2,000 characters
    is_blind = models.BooleanField(default=False)  # given without seeing an earlier decision
    began_at = models.DateTimeField(null=True, blank=True)  # when the item was claimed
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    undone_at = models.DateTimeField(null=True, blank=True)

    objects = NewestFirst.as_manager()

    class Meta:
        verbose_name = _("decision")
        constraints = [
            models.UniqueConstraint(
                fields=["item", "by"],
                condition=Q(undone_at=None),
                name="one_decision_per_reviewer_and_item",
            )
        ]
        indexes = [models.Index(fields=["by", "-created_at"], name="decision_by_reviewer")]

    def __str__(self) -> str:
        return f"{self.item_id} {self.outcome}"


class PassedOn(models.Model):
    """A reviewer gave an item to others: without a word, or with a note and more urgently."""

    class Kind(models.TextChoices):
        SKIPPED = "skipped", _("Skipped")
        ESCALATED = "escalated", _("Escalated")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    item = models.ForeignKey(ReviewItem, models.PROTECT, related_name="passed_on")
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    note = models.TextField(blank=True)  # at most 2,000 characters
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("item passed on")
        indexes = [models.Index(fields=["item", "by", "created_at"], name="passed_on_by_item")]

    def __str__(self) -> str:
        return f"{self.item_id} {self.kind}"


class ReviewRules(models.Model):
    """The only row: which detections come to the desk by themselves, and how they are decided."""

    on_inconclusive = models.BooleanField(default=True)  # of what was sent on a page
    on_disagreement = models.BooleanField(default=True)
    sample_share = models.FloatField(default=0.01)  # of all verdicts
    second_opinion_share = models.FloatField(default=0.1)  # of all items
    golden_share = models.FloatField(default=0.05)  # of what a reviewer is handed
    open_limit = models.PositiveIntegerField(default=1000)  # open items that rules may make

    class Meta:
        verbose_name = _("rules of the review desk")
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    sample_share__gte=0,
                    sample_share__lte=1,
                    second_opinion_share__gte=0,
                    second_opinion_share__lte=1,
                    golden_share__gte=0,
                    golden_share__lte=0.5,
                ),
                name="review_shares_are_shares",
            )
        ]

    def __str__(self) -> str:
        return "rules"
