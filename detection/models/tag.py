"""Words that people put on images, to find them again. See docs/decisions/0017."""

import re
import unicodedata
import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection.models.image import Image

MAX_TAG = 50
_COMMA = re.compile("[,\u060c\uff0c]")  # the Arabic and the wide one too


def tag_key(name: str) -> str:
    """What makes two spellings one tag, and what everybody is shown of it."""
    return shown_tag(unicodedata.normalize("NFKC", name).casefold())


def typed_tags(text: str) -> list[str]:
    """What stands between the commas of a text, in its order, each tag once."""
    parts = (part.strip() for part in _COMMA.split(text))
    return list({key: part for part in parts if (key := tag_key(part))}.values())


def undivided(text: str) -> list[str]:
    """The text as one tag, where it may be one from before Arabic commas parted them."""
    return [text] if "\u060c" in text and "," not in text else []


def shown_tag(name: str) -> str:
    """Printable, with single spaces and no commas."""
    printable = "".join(char if char.isprintable() else " " for char in name)
    return " ".join(printable.replace(",", " ").split())[:MAX_TAG].strip()


class Tag(models.Model):
    """One word of this desk; it exists while an image bears it.

    What is shown is the key: who first wrote a tag, and how, may be about images of others.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("tag"), max_length=MAX_TAG)
    key = models.CharField(max_length=4 * MAX_TAG, unique=True)  # casefolding makes words longer

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")

    def __str__(self) -> str:
        return self.key


class ImageTag(models.Model):
    """That an image bears a tag, and who put it there."""

    image = models.ForeignKey(Image, models.CASCADE, related_name="image_tags")
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="image_tags", db_index=False)
    by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("image’s tag")
        verbose_name_plural = _("images’ tags")
        constraints = [models.UniqueConstraint(fields=["image", "tag"], name="tagged_once")]
        indexes = [
            models.Index(fields=["tag", "image"], name="images_by_tag"),
            models.Index(fields=["by", "tag"], name="tags_of_person"),
        ]

    def __str__(self) -> str:
        return f"{self.tag_id} {self.image_id}"
