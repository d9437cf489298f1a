"""Labelled data as pages and the API show it."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from detection.models import Dataset, DatasetImport, ImportedFile, LabelledImage, Snapshot
from detection.services import dataset_imports, datasets
from detection.words import FAILURES, REFUSALS

Outcome = ImportedFile.Outcome


@dataclass(frozen=True)
class OutcomeRow:
    """How many files became one thing."""

    code: str
    sentence: str
    files: int


@dataclass(frozen=True)
class ImportView:
    """An import with how far it is."""

    row: DatasetImport
    outcomes: list[OutcomeRow]
    failure: str

    @property
    def refused(self) -> int:
        kept = {Outcome.WAITING, Outcome.READ, Outcome.ADDED}
        return sum(one.files for one in self.outcomes if one.code not in kept)

    @property
    def added(self) -> int:
        return sum(one.files for one in self.outcomes if one.code == Outcome.ADDED)


def import_view(row: DatasetImport) -> ImportView:
    counted = row.outcome if row.is_finished else dataset_imports.outcomes(row)
    said = [OutcomeRow(code, str(Outcome(code).label), n) for code, n in counted.items()]
    return ImportView(row, said, failure_of(row))


def failure_of(row: DatasetImport) -> str:
    """A sentence; empty where the import did not fail."""
    if not row.failure_code:
        return ""
    if row.failure_code == "attempts_exhausted":
        return _("The import was interrupted every time it was tried. Import it again.")
    if row.failure_code in REFUSALS:
        return str(REFUSALS[row.failure_code][1])
    return str(FAILURES.get(row.failure_code, row.failure_code))


def split_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """A snapshot's counts as rows, splits in their order."""
    return [
        {"split": LabelledImage.Split(split).label, "source": source, **both}
        for split in LabelledImage.Split.values
        for source, both in sorted(snapshot.counts.get(split, {}).items())
    ]


def dataset_facts(row: Dataset, images: dict[str, int] | None = None) -> dict[str, Any]:
    """What the API says of a dataset wherever it names one."""
    counted = images or datasets.totals().get(row.pk) or {"real": 0, "fake": 0}
    names = ("name", "description", "licence", "consent", "is_of_reviews", "created_at")
    return {"id": str(row.pk), **{name: getattr(row, name) for name in names}, "images": counted}
