"""What the history is searched by: one narrow row for each detection that is not erased.

The database keeps these rows itself, by the triggers of `detection.history_triggers`; nothing else
writes them.
"""

from typing import Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection.models.detection import Detection
from detection.models.image import Image
from detection.models.newest_first import NewestFirst
from detection.models.registry import ModelVersion


class Kind(models.IntegerChoices):
    """How far a detection is, and what it said."""

    PENDING = 0, _("Being checked")
    LIKELY_AUTHENTIC = 1, _("Likely authentic")
    LIKELY_MANIPULATED = 2, _("Likely manipulated")
    INCONCLUSIVE = 3, _("Cannot tell")
    FAILED = 4, _("Could not be judged")


class Door(models.IntegerChoices):
    """By which doors an image came: the bits of a set."""

    NONE = 0
    PAGE = 1
    API = 2
    BOTH = 3


class HistoryRowQuerySet(NewestFirst["HistoryRow"]):
    def failed(self) -> Self:
        """What could not be judged, whosever it is.

        By model and facet, because so the index begins.
        """
        facets = [Kind.FAILED * 8 + beside for beside in range(8)]
        return self.filter(model_version__in=ModelVersion.objects.values("pk"), facet__in=facets)


class HistoryRow(models.Model):
    """Copies of what people filter by, in the order they read.

    Attributes:
        facet: kind, door and confidentiality in one number: `kind * 8 + door * 2 + confidential`.
        rank: P(fake), or -1 where there is none.
        words: those of file names and source addresses; see `detection.history_words`.
    """

    detection = models.OneToOneField(
        Detection, models.CASCADE, primary_key=True, related_name="history_row"
    )
    image = models.ForeignKey(Image, models.CASCADE, related_name="+", db_index=False)
    owner = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    model_version = models.ForeignKey(
        ModelVersion, models.PROTECT, related_name="+", db_index=False
    )
    facet = models.PositiveSmallIntegerField()
    rank = models.FloatField()
    created_at = models.DateTimeField()
    words = models.TextField(blank=True)

    objects = HistoryRowQuerySet.as_manager()

    class Meta:
        # An index for each order, of everybody's rows and of one person's: whatever is asked, a
        # page begins at a known place in a few of their parts.
        indexes = [
            models.Index(
                fields=["model_version", "facet", "created_at", "detection"],
                include=["rank"],
                name="history_by_time",
            ),
            models.Index(
                fields=["owner", "model_version", "facet", "created_at", "detection"],
                include=["rank"],
                name="history_of_person_by_time",
            ),
            models.Index(
                fields=["model_version", "facet", "rank", "detection"],
                include=["created_at"],
                name="history_by_rank",
            ),
            models.Index(
                fields=["owner", "model_version", "facet", "rank", "detection"],
                include=["created_at"],
                name="history_of_person_by_rank",
            ),
            # those of a tag or a case are looked up by their images: all that is asked lies here
            models.Index(
                fields=["image"],
                include=["owner", "model_version", "facet", "created_at", "rank", "detection"],
                name="history_by_image",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)
