"""Imports of labelled files, worked off to their end."""

from detection.models import Dataset, DatasetImport
from detection.services import dataset_imports
from tests import archives

WORKER = "test:1:1"


def worked(row: DatasetImport) -> DatasetImport:
    while dataset_imports.work(row.pk, worker=WORKER):
        pass
    row.refresh_from_db()
    return row


def imported(dataset: Dataset, files: dict[str, bytes], name: str = "set.zip") -> DatasetImport:
    with archives.zipped(files, name) as upload:
        row = dataset_imports.order_archive(by=dataset.by, dataset=dataset, upload=upload)
    return worked(row)


def became(row: DatasetImport) -> dict[str, str]:
    return dict(row.files.values_list("name", "outcome"))


def manifest(*rows: str) -> bytes:
    head = "path,label,source,method,group,split,sha256,licence"
    return "\n".join([head, *rows]).encode()
