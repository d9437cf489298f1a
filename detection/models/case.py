"""Images that belong to one story, and the people who may see them."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection.models.image import Image
from detection.models.newest_first import NewestFirst

MAX_TITLE = 200
MAX_DESCRIPTION = 4000


class CaseQuerySet(NewestFirst["Case"]):
    def visible_to(self, user: User) -> "CaseQuerySet":
        """Cases one owns or was added to; nobody else's, whatever one's role."""
        joined = CaseMember.objects.filter(user=user)
        return self.filter(Q(owner=user) | Q(pk__in=joined.values("case")))

    def writable_by(self, user: User) -> "CaseQuerySet":
        """Open cases that one owns or edits."""
        edited = CaseMember.objects.filter(user=user, role=CaseMember.Role.EDITOR)
        return self.filter(Q(owner=user) | Q(pk__in=edited.values("case")), closed_at=None)


class Case(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, models.PROTECT, related_name="owned_cases")
    title = models.CharField(_("title"), max_length=MAX_TITLE)
    description = models.TextField(_("description"), blank=True)
    version = models.PositiveIntegerField(default=1)  # of title, description and tags together
    people = models.ManyToManyField(
        User,
        through="CaseMember",
        through_fields=("case", "user"),
        related_name="cases",
        blank=True,
    )
    images = models.ManyToManyField(Image, through="CaseImage", related_name="cases", blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = CaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("case")
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="case_of_owner"),
            models.Index(fields=["-created_at", "-id"], name="case_newest_first"),
        ]

    def __str__(self) -> str:
        return self.title

    def role_of(self, user: User) -> str:
        """`owner`, `editor` or `reader`; empty for whoever does not belong to it."""
        if self.owner_id == user.pk:
            return CaseMember.OWNER
        found = CaseMember.objects.filter(case=self, user=user).values_list("role", flat=True)
        return found.first() or ""


class CaseMember(models.Model):
    """Somebody who was added to a case; its owner is not among them."""

    OWNER = "owner"

    class Role(models.TextChoices):
        EDITOR = "editor", _("Works on it")
        READER = "reader", _("Reads it")

    case = models.ForeignKey(Case, models.CASCADE, related_name="members")
    user = models.ForeignKey(User, models.PROTECT, related_name="case_memberships")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.READER)
    added_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("person of a case")
        constraints = [
            models.UniqueConstraint(fields=["case", "user"], name="one_membership_a_person"),
            models.CheckConstraint(
                condition=Q(role__in=["editor", "reader"]), name="members_edit_or_read"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} {self.user_id} {self.role}"


class CaseImage(models.Model):
    """An image in a case, and who put it there.

    Attributes:
        image_owner: a copy of what the image says, which never changes: whoever has cases asks of
            thousands of images whether they are others'. None where an earlier release wrote it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, models.CASCADE, related_name="entries")
    image = models.ForeignKey(Image, models.PROTECT, related_name="case_entries")
    image_owner = models.ForeignKey(
        User, models.PROTECT, related_name="+", null=True, editable=False, db_index=False
    )
    added_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    created_at = models.DateTimeField(_("added"), default=timezone.now, editable=False)

    objects = NewestFirst.as_manager()

    class Meta:
        verbose_name = _("image of a case")
        constraints = [
            models.UniqueConstraint(fields=["case", "image"], name="image_once_in_a_case")
        ]
        indexes = [
            models.Index(fields=["case", "-created_at", "-id"], name="case_images_newest_first")
        ]

    def __str__(self) -> str:
        return f"{self.case_id} {self.image_id}"


class CaseTag(models.Model):
    """One word of a case, as `detection.tags.normalised` writes it."""

    case = models.ForeignKey(Case, models.CASCADE, related_name="tags")
    name = models.CharField(_("tag"), max_length=40)

    class Meta:
        verbose_name = _("tag")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["case", "name"], name="tag_once_in_a_case")]
        indexes = [models.Index(fields=["name"], name="case_tag_by_name")]

    def __str__(self) -> str:
        return self.name


class CaseNote(models.Model):
    """What somebody wrote in a case; its words are in its versions.

    A removed note keeps its place, its author and its times, and loses its words.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, models.CASCADE, related_name="notes")
    author = models.ForeignKey(User, models.PROTECT, related_name="case_notes")
    version = models.PositiveIntegerField(default=1)  # the number of the latest
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    removed_at = models.DateTimeField(null=True, blank=True)
    removed_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True, blank=True)

    objects = NewestFirst.as_manager()

    class Meta:
        verbose_name = _("note")
        constraints = [
            models.CheckConstraint(
                condition=Q(removed_at=None, removed_by=None)
                | Q(removed_at__isnull=False, removed_by__isnull=False),
                name="removed_notes_say_by_whom",
            )
        ]
        indexes = [
            models.Index(fields=["case", "-created_at", "-id"], name="case_notes_newest_first")
        ]

    def __str__(self) -> str:
        return f"{self.case_id} {self.pk}"

    @property
    def latest(self) -> "CaseNoteVersion":
        """Its words as they are now, from prefetched versions where there are any."""
        return max(self.versions.all(), key=lambda one: one.number)


class CaseNoteVersion(models.Model):
    """A note as it once read. Its words may be emptied and nothing of it changed.

    The database itself keeps that; see `detection.kept_notes`.
    """

    note = models.ForeignKey(CaseNote, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField(_("note"))
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("version of a note")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["note", "number"], name="note_version_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="note_versions_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.note_id} {self.number}"
