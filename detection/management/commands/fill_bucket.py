"""manage.py fill_bucket: copy what a data folder holds into the bucket that is to replace it."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from detection.errors import StorageAway
from detection.services import bucket_filling, installation

DIFFERS = 2


class Command(BaseCommand):
    help = (
        "Copy originals, reports, models and what is learnt from out of UNMASK_DATA into "
        "UNMASK_S3_BUCKET. Stop the desk before. May be said again, and goes on where it was. "
        "Exits with 2 if something is there under its name with other bytes."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.S3_BUCKET:
            raise CommandError("UNMASK_S3_BUCKET is not set.")
        filled = bucket_filling.Filled()
        try:
            for name in bucket_filling.fill(filled):
                self.stderr.write(f"there with other bytes: {name}")
        except (installation.ForeignData, StorageAway) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{filled.brought} files brought, {filled.known} were there.")
        if filled.differing:
            sys.exit(DIFFERS)
