"""Which files the rows of the database name, and whose files somebody had erased."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from detection import storage
from detection.models import Image, LabelledImage, ModelVersion, Report


def named_files(*, before: datetime) -> Iterator[Path]:
    """Files, or folders of them, that rows older than that need; the erased are none."""
    images = Image.objects.filter(erased_at=None, created_at__lt=before)
    for pk in images.values_list("pk", flat=True).iterator():
        yield storage.original_path(pk)
    reports = Report.objects.filter(removed_at=None, created_at__lt=before)
    rows = reports.filter(detection__image__erased_at=None)
    for pk, image_id in rows.values_list("pk", "detection__image_id").iterator():
        yield from (storage.report_path(image_id, pk, ending) for ending in (".json", ".pdf"))
    labelled = LabelledImage.objects.usable().filter(image=None, created_at__lt=before)
    for sha256 in labelled.values_list("sha256", flat=True).iterator():
        yield storage.labelled_path(sha256)
    versions = ModelVersion.objects.filter(created_at__lt=before)
    for sha256 in versions.values_list("artifact_sha256", flat=True):
        yield storage.artifact_dir(sha256)


def erased_since(moment: datetime) -> list[str]:
    """Images that were erased from then on, by number."""
    erased = Image.objects.filter(erased_at__gte=moment).order_by("pk")
    return [str(pk) for pk in erased.values_list("pk", flat=True)]
