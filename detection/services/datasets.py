"""Datasets as administrators keep them: what is in one, and taking images out of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Count

from accounts import audit
from accounts.models import User
from detection import storage
from detection.errors import Refused
from detection.models import Dataset, DatasetImport, ImportedFile, LabelledImage
from detection.services import snapshots

REVIEWS_NAME = "Reviewed images"
REVIEWS_LICENCE = "With the consent of each image's owner"
REVIEWS_CONSENT = "Each image's owner allowed it, and may take that back at any time."
Record = Callable[[], object]
UNFINISHED = [DatasetImport.Status.QUEUED, DatasetImport.Status.RUNNING]


@dataclass(frozen=True)
class SourceCount:
    """How many usable images of one source and split there are."""

    source: str
    split: str
    real: int
    fake: int

    @property
    def total(self) -> int:
        return self.real + self.fake


def create(
    *, by: User | None, name: str, licence: str, description: str = "", consent: str = ""
) -> Dataset:
    """A new, empty dataset.

    Raises:
        Refused: another one has this name.
    """
    if name.casefold() == REVIEWS_NAME.casefold():
        raise Refused("dataset_name_taken")
    try:
        with transaction.atomic():
            row = Dataset.objects.create(
                name=name, licence=licence, description=description, consent=consent, by=by
            )
            audit.record(
                "dataset.created", actor=by, target=row, after={"name": name, "licence": licence}
            )
    except IntegrityError as error:
        raise Refused("dataset_name_taken") from error
    return row


def of_reviews() -> Dataset:
    """The one that reviews fill; made when it is first needed."""
    return Dataset.objects.get_or_create(
        is_of_reviews=True,
        defaults={
            "name": REVIEWS_NAME,
            "licence": REVIEWS_LICENCE,
            "consent": REVIEWS_CONSENT,
        },
    )[0]


def counts(dataset: Dataset) -> list[SourceCount]:
    """Usable images by source and split, in this order; splits as train, val, test."""
    splits = LabelledImage.Split.values
    rows = (
        LabelledImage.objects.usable()
        .filter(dataset=dataset)
        .order_by()
        .values("source", "split", "label")
        .annotate(images=Count("pk"))
    )
    found: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        found.setdefault((row["source"], row["split"]), [0, 0])[row["label"]] = row["images"]
    ordered = sorted(found.items(), key=lambda one: (one[0][0], splits.index(one[0][1])))
    return [SourceCount(*key, *both) for key, both in ordered]


def totals() -> dict[object, dict[str, int]]:
    """By dataset, how many usable images of each label it holds."""
    rows = (
        LabelledImage.objects.usable()
        .order_by()
        .values("dataset", "label")
        .annotate(images=Count("pk"))
    )
    found: dict[object, dict[str, int]] = {}
    for row in rows:
        names = found.setdefault(row["dataset"], {"real": 0, "fake": 0})
        names["fake" if row["label"] else "real"] = row["images"]
    return found


def remove(images: Iterable[LabelledImage], *, by: User | None, because: str) -> bool:
    """Take images out of their dataset for good; snapshots that hold them break.

    False where that had been done before.
    """
    with transaction.atomic():
        Dataset.objects.hold_all()
        records = take_out(images, by=by, because=because)
        for record in records:
            record()
    return bool(records)


def take_out(images: Iterable[LabelledImage], *, by: User | None, because: str) -> list[Record]:
    """As `remove`, within a transaction; gives what records the events, to be called last."""
    gone = [one for one in images if one.remove()]
    if not gone:
        return []
    records = [_removal(one, by=by, because=because) for one in gone]
    owner = gone[0].image.owner if gone[0].image else None
    for broken in snapshots.break_those_with(gone):
        records.append(partial(snapshots.record_broken, broken, by=by, owner=owner))
    for one in gone:
        transaction.on_commit(partial(drop_unused_file, one.sha256), robust=True)
    return records


def _removal(image: LabelledImage, *, by: User | None, because: str) -> Record:
    return partial(
        audit.record,
        "labelled_image.removed",
        actor=by,
        target=image,
        owner=image.image.owner if image.image else None,
        target_sha256=image.sha256,
        before={"label": image.label, "split": image.split},
        after={"dataset": str(image.dataset_id), "because": because},
    )


def drop_unused_file(sha256: str) -> bool:
    """Remove an imported file that no dataset holds and no import is about to add."""
    is_used = LabelledImage.objects.usable().filter(sha256=sha256, image=None).exists()
    is_wanted = ImportedFile.objects.filter(
        sha256=sha256, dataset_import__status__in=UNFINISHED
    ).exists()
    if is_used or is_wanted:
        return False
    storage.drop_labelled(sha256)
    return True
