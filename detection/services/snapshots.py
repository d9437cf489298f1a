"""Frozen lists of labelled images, known by their hash."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection import labelled_files, storage
from detection.errors import Refused
from detection.models import Dataset, GoldenImage, LabelledImage, Snapshot
from detection.near_pictures import Hashed, near_among

SHOWN_PAIRS = 5
LINK_CHUNK = 5_000
HASHED = ("sha256", "label", "source", "method", "group", "split")


def freeze(datasets: Sequence[Dataset], *, name: str, by: User | None) -> Snapshot:
    """Freeze what these datasets hold now; the same rows give the same snapshot.

    A file that two of them hold is in it once. A snapshot that had been broken becomes whole
    again where the very images are back that it lacked.

    Raises:
        Refused: nothing to learn from, or near-duplicates lie in two splits.
    """
    with transaction.atomic():
        Dataset.objects.hold_all()
        images = _once(
            LabelledImage.objects.usable()
            .filter(dataset__in=datasets)
            .exclude(sha256__in=_golden())
            .select_related("dataset")
            .order_by("sha256", "created_at", "pk")
        )
        if not images:
            raise Refused("nothing_to_freeze")
        _refuse_torn(images)
        sha256 = rows_sha256(images)
        row = Snapshot.objects.filter(sha256=sha256).first()
        if row is not None and row.is_whole:
            return row
        storage.write_durably(storage.snapshot_path(sha256), _manifest(images))
        row = row or Snapshot(name=name, sha256=sha256, by=by, counts=_counts(images))
        _keep(row, images, datasets)
        audit.record(
            "snapshot.frozen",
            actor=by,
            target=row,
            target_sha256=sha256,
            after={"images": len(images), "datasets": sorted(str(one.pk) for one in datasets)},
        )
    return row


def manifest_of(snapshot: Snapshot) -> Path:
    """The manifest as `ml.datasets.manifest.read_manifest` reads it, with paths of this desk.

    Written anew where it was lost, or the data folder lies elsewhere than when it was frozen.

    Raises:
        Refused: one of its images was removed, so nothing may be trained on it any more.
    """
    snapshot.refresh_from_db(fields=["broken_at"])
    if not snapshot.is_whole:
        raise Refused("snapshot_broken")
    path, content = storage.snapshot_path(snapshot.sha256), _manifest(_images_of(snapshot))
    if not storage.exists(path) or storage.read(path) != content:
        storage.write_durably(path, content)
    return path


def break_those_with(images: Iterable[LabelledImage]) -> list[Snapshot]:
    """Whole snapshots with these images are whole no more; within the transaction of removal.

    Their manifests lose the rows once it is committed. Gives those that broke just now.
    """
    touched = Snapshot.objects.filter(images__in=list(images)).distinct()
    rows = list(Snapshot.objects.select_for_update().filter(pk__in=touched).order_by("pk"))
    for row in rows:
        transaction.on_commit(partial(forget_removed, row), robust=True)
    broken = [row for row in rows if row.is_whole]
    Snapshot.objects.filter(pk__in=[row.pk for row in broken]).update(broken_at=timezone.now())
    return broken


def record_broken(snapshot: Snapshot, *, by: User | None, owner: User | None) -> None:
    """In the chain of whose image it was, so that one transaction waits for one chain."""
    audit.record(
        "snapshot.broken",
        actor=by,
        target=snapshot,
        owner=owner,
        target_sha256=snapshot.sha256,
    )


def forget_removed(snapshot: Snapshot) -> None:
    """Write a broken snapshot's manifest without the images that were removed."""
    path, content = storage.snapshot_path(snapshot.sha256), _manifest(_images_of(snapshot))
    if storage.exists(path) and storage.read(path) != content:
        storage.write_durably(path, content)


def finish() -> None:
    """Forget in manifests what a crash kept from being forgotten."""
    for snapshot in Snapshot.objects.exclude(broken_at=None):
        forget_removed(snapshot)


def rows_sha256(images: Iterable[LabelledImage]) -> str:
    """The SHA-256 of what is learnt from: order, paths and times do not count."""
    lines = sorted(
        "\t".join([*(str(getattr(image, name)) for name in HASHED), image.dataset.licence])
        for image in images
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _golden() -> Any:
    """Hashes of images that models are measured by: learnt from, they would measure nothing."""
    return GoldenImage.objects.filter(retired_at=None).values("image__sha256")


def _once(images: Iterable[LabelledImage]) -> list[LabelledImage]:
    first: dict[str, LabelledImage] = {}
    for image in images:
        first.setdefault(image.sha256, image)
    return list(first.values())


def _refuse_torn(images: Sequence[LabelledImage]) -> None:
    """No near copies, no group and no contradiction may be in what is learnt from."""
    pairs = near_among([Hashed(one.perceptual_hash, one.mirrored_hash) for one in images])
    torn = [
        (images[one], images[other])
        for one, other in sorted(pairs)
        if images[one].split != images[other].split
    ]
    splits: dict[str, LabelledImage] = {}
    for image in images:
        first = splits.setdefault(image.group, image)
        if first.split != image.split:
            torn.append((first, image))
    if torn:
        said = [_said(one, other) for one, other in torn[:SHOWN_PAIRS]]
        more = len(torn) - len(said)
        raise Refused("near_in_two_splits", "; ".join(said) + (f"; +{more}" if more else ""))


def _said(one: LabelledImage, other: LabelledImage) -> str:
    return " = ".join(f"{image.sha256[:12]} {image.split}" for image in (one, other))


def _keep(row: Snapshot, images: Sequence[LabelledImage], datasets: Sequence[Dataset]) -> None:
    row.broken_at = None
    row.save()
    row.datasets.set(datasets)
    row.images.clear()
    for start in range(0, len(images), LINK_CHUNK):
        row.images.add(*images[start : start + LINK_CHUNK])


def _counts(images: Iterable[LabelledImage]) -> dict[str, Any]:
    found = Counter((one.split, one.source, "fake" if one.is_fake else "real") for one in images)
    counts: dict[str, Any] = {}
    for (split, source, label), number in sorted(found.items()):
        both = counts.setdefault(split, {}).setdefault(source, {"real": 0, "fake": 0})
        both[label] = number
    return counts


def _images_of(snapshot: Snapshot) -> list[LabelledImage]:
    rows = LabelledImage.objects.usable().filter(snapshots=snapshot).select_related("dataset")
    return list(rows.order_by("sha256"))


def _manifest(images: Iterable[LabelledImage]) -> bytes:
    ordered = sorted(images, key=lambda image: image.sha256)
    return labelled_files.manifest_csv(_row(image) for image in ordered)


def _row(image: LabelledImage) -> dict[str, str]:
    return {
        "path": str(path_of(image)),
        "label": labelled_files.LABEL_NAMES[image.label],
        "source": image.source,
        "method": image.method,
        "group": image.group,
        "split": image.split,
        "sha256": image.sha256,
        "licence": image.dataset.licence,
    }


def path_of(image: LabelledImage) -> Path:
    """Where the bytes lie: with what was imported, or the original of what was reviewed."""
    if image.image_id:
        return storage.original_path(image.image_id).resolve()
    return storage.labelled_path(image.sha256).resolve()
