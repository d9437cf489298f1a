"""manage.py import_dataset: labelled images from a folder, a ZIP or a manifest, here and now."""

import math
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from detection.errors import Refused
from detection.models import Dataset, DatasetImport
from detection.services import dataset_imports, datasets, leases


class Command(BaseCommand):
    help = (
        "Import labelled images: a folder or ZIP with Real/ and Fake/, with NAME/real and "
        "NAME/fake, or with a manifest.csv; or a manifest. Files are copied, never moved."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, metavar="PATH")
        parser.add_argument("--name", required=True, help="of the dataset, made if there is none")
        parser.add_argument("--licence", required=True, help="of all of its images")
        parser.add_argument("--consent", default="", help="on what ground they may be learnt from")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            dataset = _dataset(options["name"], options["licence"], options["consent"])
            row = dataset_imports.order_local(
                by=None, dataset=dataset, path=options["path"], is_rung=False
            )
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal
        worker = leases.process_name(os.getpid())
        while dataset_imports.work(row.pk, worker=worker, seconds=math.inf):
            pass
        row.refresh_from_db()
        self._say(row)

    def _say(self, row: DatasetImport) -> None:
        for name, count in dataset_imports.outcomes(row).items():
            self.stdout.write(f"{count} {name}")
        if row.status == DatasetImport.Status.FAILED:
            raise CommandError(f"The import failed: {row.failure_code}.")
        if not row.is_finished:
            raise CommandError("Another process has taken the import over.")


def _dataset(name: str, licence: str, consent: str) -> Dataset:
    found = Dataset.objects.filter(name=name).first()
    if found is None:
        return datasets.create(by=None, name=name, licence=licence, consent=consent)
    if found.licence != licence:
        raise CommandError(
            f"The dataset {name} has the licence {found.licence!r}, and all of its images have it: "
            "import under another name what has another licence."
        )
    return found
