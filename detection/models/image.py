"""The bytes of one owner, known by their SHA-256."""

import uuid
from collections.abc import Iterable

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection.errors import Refused


def visibility(user: User, image: str = "") -> Q:
    """Which images a person may see: one's own, those of a case one belongs to, and for reviewers
    all but the confidential. An erased one is nobody's.

    Args:
        image: path from the filtered model to Image, such as `image__`.
    """
    entries = Image.cases.through.objects
    visible = Q(**{f"{image}owner": user})
    # Each by its own index: in one query with OR, every image of every case is looked at.
    for in_case in (entries.filter(case__owner=user), entries.filter(case__members__user=user)):
        visible |= Q(**{f"{image}pk__in": in_case.values("image_id")})
    if user.is_reviewer:
        visible |= Q(**{f"{image}is_confidential": False})
    return visible & Q(**{f"{image}erased_at": None})


class ImageQuerySet(models.QuerySet["Image"]):
    def visible_to(self, user: User) -> "ImageQuerySet":
        return self.filter(visibility(user))

    def seen_by(self, user: User, ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
        """Which of these this person may see.

        Rows of a page are then fetched by what is in it. Joined with this rule, PostgreSQL reads a
        million images to look at two dozen.
        """
        return set(self.visible_to(user).filter(pk__in=set(ids)).values_list("pk", flat=True))

    def kept(self) -> "ImageQuerySet":
        """Whose original is there."""
        return self.filter(erased_at=None)

    def held_fast(self, pk: uuid.UUID) -> "Image":
        """The row as it is now, which nobody can erase until the transaction ends.

        Raises:
            Refused: somebody has erased it.
        """
        row = self.select_for_update(of=("self",)).filter(pk=pk, erased_at=None).first()
        if row is None:
            raise Refused("erased_meanwhile")
        return row


class Image(models.Model):
    """An original, never altered. The file's name is the row's id; see `detection.storage`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, models.PROTECT, related_name="images")
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    size_bytes = models.PositiveBigIntegerField(_("size in bytes"))
    format = models.CharField(_("format"), max_length=8)
    media_type = models.CharField(max_length=32)
    width = models.PositiveIntegerField(_("width"))  # as the header says, before orientation
    height = models.PositiveIntegerField(_("height"))
    perceptual_hash = models.CharField(max_length=16, blank=True)  # imagehash.phash, once decoded
    mirrored_hash = models.CharField(max_length=16, blank=True)  # that of the mirrored picture
    # of the perceptual hash, as detection.likeness cuts it up
    band_0 = models.IntegerField(null=True, editable=False)
    band_1 = models.IntegerField(null=True, editable=False)
    band_2 = models.IntegerField(null=True, editable=False)
    facts = models.JSONField(default=dict, blank=True)  # what decoding found; ml.decoder.ImageFacts
    is_confidential = models.BooleanField(_("confidential"), default=False)
    created_at = models.DateTimeField(_("received"), default=timezone.now, editable=False)
    # the owner's word that this image may be learnt from, once a review has labelled it
    training_consent_at = models.DateTimeField(null=True, blank=True)
    held_at = models.DateTimeField(_("on legal hold since"), null=True, blank=True)
    hold_reason = models.CharField(max_length=500, blank=True)
    erased_at = models.DateTimeField(_("erased"), null=True, blank=True)  # its content is gone

    objects = ImageQuerySet.as_manager()

    class Meta:
        verbose_name = _("image")
        constraints = [
            models.UniqueConstraint(fields=["owner", "sha256"], name="image_bytes_once_per_owner"),
            models.CheckConstraint(
                condition=Q(erased_at=None) | Q(held_at=None), name="held_images_are_not_erased"
            ),
        ]
        indexes = [
            models.Index(fields=["sha256"], name="image_by_sha256"),  # whoever owns it
            # whose it is before the hash, so that only what somebody may see is ever compared
            *(
                models.Index(
                    fields=[f"band_{number}", "is_confidential", "owner", "perceptual_hash"],
                    name=f"image_by_band_{number}",
                )
                for number in range(3)
            ),
            models.Index(
                fields=["created_at"], condition=Q(erased_at=None), name="image_kept_longest"
            ),
            # Of the sums of what is kept. The column that is always empty here comes last: first,
            # SQLite took every question that asks for kept images to be best answered by it.
            models.Index(
                fields=["size_bytes", "erased_at"],
                condition=Q(erased_at=None),
                name="image_sizes_kept",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.format} {self.width} × {self.height} {self.sha256[:12]}"

    @property
    def oriented_size(self) -> tuple[int, int]:
        """Width and height as the picture is shown; the header's until it was decoded."""
        return self.facts.get("width", self.width), self.facts.get("height", self.height)
