"""Labelled images drawn in code, and a snapshot of them, for tests that train."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from django.utils import timezone
from PIL import Image

from detection.errors import Refused
from detection.models import Dataset, LabelledImage, Snapshot, TrainingRun
from tests.images import encode
from tests.ml.tiny import write_manifest

COUNTS = {"train": 40, "val": 67, "test": 4}  # of each label


def snapshot_row(counts: dict[str, int] | None = None, **fields: Any) -> Snapshot:
    """A snapshot in the database only, with so many images of each label in each split."""
    name = f"snapshot {Snapshot.objects.count()}"
    shown = {split: {"drawn": {"real": n, "fake": n}} for split, n in (counts or COUNTS).items()}
    defaults = {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest()}
    return Snapshot.objects.create(**{**defaults, "counts": shown, **fields})


def dataset_row(name: str = "drawn", **fields: Any) -> Dataset:
    return Dataset.objects.create(name=name, licence="ours", **fields)


def labelled_row(dataset: Dataset, number: int, **fields: Any) -> LabelledImage:
    sha256 = hashlib.sha256(f"{dataset.name}{number}".encode()).hexdigest()
    defaults = {
        "sha256": sha256,
        "label": number % 2,
        "source": "drawn",
        "group": sha256,
        "split": "train",
    }
    return LabelledImage.objects.create(dataset=dataset, **{**defaults, **fields})


def run_row(snapshot: Snapshot | None = None, **fields: Any) -> TrainingRun:
    """A run as an order leaves it."""
    defaults = {"config": "desk_small", "epochs": 2, "via": TrainingRun.Via.PAGE}
    row: TrainingRun = TrainingRun.objects.create(
        snapshot=snapshot or snapshot_row(), **{**defaults, **fields}
    )
    return row


def ended(run: TrainingRun) -> TrainingRun:
    """The row as it is now."""
    return TrainingRun.objects.select_related("candidate", "snapshot").get(pk=run.pk)


def draw(folder: Path, counts: dict[str, int] | None = None, seed: int = 1) -> Path:
    """Blue reals and red fakes, and the manifest of them."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    rows = []
    for split, count in (counts or COUNTS).items():
        for at in range(2 * count):
            label = ("real", "fake")[at % 2]
            path = folder / f"{split}-{at}.png"
            pixels = generator.integers(0, 120, (40, 40, 3), np.uint8)
            pixels[..., 0 if label == "fake" else 2] += 130
            path.write_bytes(encode(Image.fromarray(pixels), "PNG"))
            rows.append({"path": path.name, "label": label, "split": split})
    return write_manifest(folder, rows)


def manifests(folder: Path) -> Any:
    """What stands for `services.snapshots.manifest_of`: one manifest for all snapshots."""
    path = draw(folder)

    def manifest_of(snapshot: Snapshot) -> Path:
        if Snapshot.objects.get(pk=snapshot.pk).broken_at:
            raise Refused("snapshot_broken")
        return path

    return manifest_of


def break_snapshot(snapshot: Snapshot) -> None:
    Snapshot.objects.filter(pk=snapshot.pk).update(broken_at=timezone.now())
