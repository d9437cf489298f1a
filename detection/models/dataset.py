"""Labelled images to learn from and to measure on, and frozen lists of them."""

import uuid
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection.models.image import Image
from detection.models.leased import Leased, LeasedQuerySet
from detection.models.newest_first import NewestFirst


class Dataset(models.Model):
    """Labelled images of one origin under one licence; administrators keep them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=80, unique=True)
    description = models.TextField(blank=True)
    licence = models.CharField(_("licence"), max_length=200)
    consent = models.TextField(_("on what ground the people shown may be learnt from"), blank=True)
    is_of_reviews = models.BooleanField(default=False)  # filled by reviewed claims, not by import
    by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = NewestFirst.as_manager()

    class Meta:
        verbose_name = _("dataset")
        constraints = [
            models.UniqueConstraint(
                fields=["is_of_reviews"],
                condition=Q(is_of_reviews=True),
                name="one_dataset_of_reviews",
            )
        ]

    def __str__(self) -> str:
        return self.name


class LabelledImageQuerySet(NewestFirst["LabelledImage"]):
    def usable(self) -> Self:
        """Those that are still there."""
        return self.filter(removed_at=None)


class LabelledImage(models.Model):
    """One labelled image of a dataset: fake = 1, real = 0.

    Its file is content-addressed (`storage.labelled_path`), or the original of the image that was
    reviewed. One of a review goes when its owner withdraws consent or the image is erased.
    """

    class Split(models.TextChoices):
        TRAIN = "train", _("training")
        VAL = "val", _("validation")
        TEST = "test", _("test")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="images")
    image = models.ForeignKey(
        Image, models.PROTECT, related_name="labels", null=True, blank=True
    )  # that was reviewed; empty for an imported file
    sha256 = models.CharField(max_length=64)
    label = models.PositiveSmallIntegerField()
    source = models.CharField(max_length=80)
    method = models.CharField(max_length=80, blank=True)
    group = models.CharField(max_length=120)  # images of one original; never in two splits
    split = models.CharField(max_length=8, choices=Split.choices)
    perceptual_hash = models.CharField(max_length=16, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = LabelledImageQuerySet.as_manager()

    class Meta:
        verbose_name = _("labelled image")
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "sha256"],
                condition=Q(removed_at=None),
                name="labelled_once_in_a_dataset",
            ),
            models.CheckConstraint(condition=Q(label__in=[0, 1]), name="label_is_real_or_fake"),
        ]
        indexes = [
            models.Index(fields=["sha256"], name="labelled_by_sha256"),
            models.Index(fields=["dataset", "split", "label"], name="labelled_counts"),
            models.Index(fields=["group"], name="labelled_by_group"),
        ]

    def __str__(self) -> str:
        return f"{self.sha256[:12]} {self.label}"


class DatasetImportQuerySet(LeasedQuerySet["DatasetImport"]):
    def claim(self, pk: uuid.UUID | str, *, worker: str) -> "DatasetImport | None":
        """Lease one import to this worker; None when taken, finished or out of attempts."""
        won = self.lease(pk, worker=worker)
        return self.select_related("dataset", "by").filter(pk=pk).first() if won else None


class DatasetImport(Leased):
    """Files on their way into a dataset: an uploaded ZIP, or a folder or manifest of the server.

    queued → running → done | failed. What it read is in `outcome`; a file that cannot be read or
    contradicts what is there is listed and never silently skipped.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="imports")
    by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    path = models.CharField(max_length=500)  # of the ZIP, the folder or the manifest
    name = models.CharField(max_length=200)  # what it was called; text only
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    outcome = models.JSONField(default=dict, blank=True)
    failure_code = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = DatasetImportQuerySet.as_manager()

    class Meta:
        verbose_name = _("import")

    def __str__(self) -> str:
        return f"{self.name} {self.status}"


class Snapshot(models.Model):
    """A frozen list of labelled images, known by the SHA-256 of its rows.

    Its manifest is a file, `storage.snapshot_path`. It is whole until one of its images is removed;
    nothing is trained on it after that, and it goes on saying what earlier runs learnt from.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80)
    sha256 = models.CharField(max_length=64, unique=True)
    counts = models.JSONField(default=dict)  # split → source → {"real": n, "fake": n}
    datasets = models.ManyToManyField(Dataset, related_name="snapshots")
    images = models.ManyToManyField(LabelledImage, related_name="snapshots")
    by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    broken_at = models.DateTimeField(null=True, blank=True)  # the first removal

    objects = NewestFirst.as_manager()

    class Meta:
        verbose_name = _("snapshot")

    def __str__(self) -> str:
        return f"{self.name} {self.sha256[:12]}"

    @property
    def is_whole(self) -> bool:
        return self.broken_at is None
