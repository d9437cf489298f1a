"""Labelled images to learn from and to measure on, and frozen lists of them."""

import uuid
from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.models import User
from detection.models.image import Image
from detection.models.leased import Leased, LeasedQuerySet
from detection.models.newest_first import NewestFirst


class DatasetQuerySet(NewestFirst["Dataset"]):
    def hold_all(self) -> None:
        """Let nobody else deal out splits or freeze until the transaction ends.

        Whether two pictures are near copies is asked across all datasets: one lock for all.
        """
        list(self.select_for_update().order_by("created_at", "pk").values_list("pk"))


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

    objects = DatasetQuerySet.as_manager()

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
    mirrored_hash = models.CharField(max_length=16, blank=True, default="", db_default="")
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

    @property
    def is_fake(self) -> bool:
        return self.label == 1

    def remove(self) -> bool:
        """Learn from it no more; False where that was so already."""
        rows = type(self)._default_manager.filter(pk=self.pk, removed_at=None)
        return bool(rows.update(removed_at=Now()))


class LeaseLost(Exception):  # noqa: N818 (it names what happened to the attempt)
    """Another worker has taken the row, so nothing of this attempt may be written."""


class DatasetImportQuerySet(LeasedQuerySet["DatasetImport"]):
    def claim(self, pk: uuid.UUID | str, *, worker: str) -> "DatasetImport | None":
        """Lease one import to this worker; None when taken, finished or out of attempts."""
        won = self.lease(pk, worker=worker)
        return self.select_related("dataset", "by").filter(pk=pk).first() if won else None


class DatasetImport(Leased):
    """Files on their way into a dataset: an uploaded ZIP, or a folder or manifest of the server.

    queued → running → done | failed, a slice at a time, through four stages. Each of its files has
    a row; one that cannot be read or contradicts what is there is listed and never silently
    skipped. `outcome` counts them by what became of them.
    """

    class Stage(models.TextChoices):
        LIST = "list", _("listing its files")
        READ = "read", _("reading its files")
        GROUP = "group", _("looking for the same pictures")
        PLACE = "place", _("dealing out splits")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="imports")
    by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    path = models.CharField(max_length=500)  # of the ZIP, the folder or the manifest
    name = models.CharField(max_length=200)  # what it was called; text only
    stage = models.CharField(
        max_length=8, choices=Stage.choices, default=Stage.LIST, db_default="list"
    )
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

    def advance(self, **fields: Any) -> None:
        """Write how far this attempt came; only attempts that come no further are counted.

        Raises:
            LeaseLost: another worker holds the row; nothing was written.
        """
        further = {
            "lease_until": Now() + settings.LEASE,
            "attempt_limit": F("attempt") + settings.MAX_ATTEMPTS,
            **fields,
        }
        if not self._held().update(**further):
            raise LeaseLost
        for name, value in fields.items():
            setattr(self, name, value)

    def pause(self) -> bool:
        """End a slice; False where the lease was lost."""
        return self.release()

    def complete(self, outcome: dict[str, int]) -> bool:
        """All files were seen to; False, and nothing written, where the lease was lost."""
        return self._finish(self.Status.DONE, outcome=outcome)

    def fail(self, code: str, outcome: dict[str, int]) -> bool:
        """End it without the files that were not added yet; False where the lease was lost."""
        return self._finish(self.Status.FAILED, failure_code=code, outcome=outcome)

    def _finish(self, status: str, **fields: Any) -> bool:
        with transaction.atomic():
            is_ended = self._end(status=status, **fields)
            if is_ended:
                audit.record(
                    "dataset_import.completed" if status == "done" else "dataset_import.failed",
                    actor=None,
                    target=self,
                    after={"dataset": str(self.dataset_id), **fields},
                )
        return is_ended


class ImportedFile(models.Model):
    """One file of an import, from when it was listed to what became of it."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", _("waits to be read")
        READ = "read", _("was read")
        ADDED = "added", _("added")
        UNREADABLE = "unreadable", _("cannot be decoded")
        TOO_LARGE = "too_large", _("has more bytes than this desk accepts of an image")
        TOO_SMALL = "too_small", _("is too small to learn from")
        MISSING = "missing", _("is not there")
        NO_LABEL = "no_label", _("lies in no folder that says whether it is real or fake")
        WRONG_ROW = "wrong_row", _("has a row in the manifest that is wrong")
        OTHER_BYTES = "other_bytes", _("has other bytes than the manifest says")
        OTHER_LICENCE = "other_licence", _("has another licence than the dataset")
        BOTH_LABELS = "both_labels", _("is listed as real and as fake")
        ALREADY_THERE = "already_there", _("is in the dataset already")
        CONTRADICTS = "contradicts", _("has the other label in the data of this desk")
        OTHER_SPLIT = "other_split", _("shows what a picture of another split shows")

    dataset_import = models.ForeignKey(DatasetImport, models.CASCADE, related_name="files")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=500)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, default=Outcome.WAITING)
    note = models.CharField(max_length=200, blank=True)  # what else there is to say; text only
    label = models.PositiveSmallIntegerField(null=True)
    source = models.CharField(max_length=80, blank=True)
    method = models.CharField(max_length=80, blank=True)
    stated_group = models.CharField(max_length=120, blank=True)  # as a manifest names it
    stated_split = models.CharField(max_length=8, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    perceptual_hash = models.CharField(max_length=16, blank=True)
    mirrored_hash = models.CharField(max_length=16, blank=True)
    key = models.CharField(max_length=64, blank=True)  # files that belong together share it
    labelled = models.ForeignKey(
        LabelledImage, models.PROTECT, related_name="imported", null=True, blank=True
    )

    class Meta:
        verbose_name = _("file of an import")
        constraints = [
            models.UniqueConstraint(
                fields=["dataset_import", "position"], name="imported_file_has_its_place"
            )
        ]
        indexes = [
            models.Index(
                fields=["dataset_import", "outcome", "position"], name="imported_by_outcome"
            ),
            models.Index(fields=["dataset_import", "outcome", "key"], name="imported_by_key"),
            models.Index(
                fields=["stated_group"], condition=~Q(stated_group=""), name="imported_by_group"
            ),
            models.Index(fields=["sha256"], name="imported_by_sha256"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.outcome}"


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
