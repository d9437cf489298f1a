"""manage.py backup: a copy of the whole desk, taken while it runs."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from deepfake_site.backup.errors import BackupError
from deepfake_site.backup.files import unknown_names
from deepfake_site.backup.taking import back_up
from detection.errors import StorageAway

INCOMPLETE = 2


class Command(BaseCommand):
    help = (
        "Copy database, files and checkpoints into a new folder. Exits with 0 if all is there, 1 "
        "if nothing was written, 2 if the desk itself lacks files that its rows name."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("target", type=Path, help="the folder to make, best on another disk")
        parser.add_argument(
            "--with-secrets", action="store_true", help="SECRET_KEY and signing keys as well"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        target = options["target"].absolute()
        try:
            manifest = back_up(target, with_secrets=options["with_secrets"])
        except (BackupError, OSError, StorageAway) as error:
            raise CommandError(f"No backup was written. {error}") from error
        rows = sum(manifest.rows.values())
        self.stdout.write(
            f"{target}: {rows} rows, {manifest.files} files, {manifest.size_bytes / 1e6:.1f} MB."
        )
        if not options["with_secrets"]:
            self.stdout.write(
                "Without secrets: keep SECRET_KEY and AUDIT_KEY (secret_key and audit_key of the "
                "data folder) elsewhere; a restore needs both."
            )
        for name in unknown_names(settings.DATA_DIR):
            self.stderr.write(f"not copied, not of this desk: {name}")
        for name in manifest.missing:
            self.stderr.write(f"missing in the desk itself: {name}")
        if manifest.missing:
            sys.exit(INCOMPLETE)
