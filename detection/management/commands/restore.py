"""manage.py restore: the desk of a backup in place of none, or of the one that is there."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from deepfake_site.backup.errors import BackupError
from deepfake_site.backup.restoring import check, restore

CHANGED, CANNOT_TELL = 2, 3


class Command(BaseCommand):
    help = (
        "Restore a backup and verify the result. Exits with 0 if verdicts, originals and audit "
        "trail are whole, 1 if nothing was changed, 2 if the restored desk differs from its "
        "record, 3 if that cannot be told."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", type=Path, help="the backup's folder")
        parser.add_argument(
            "--check", action="store_true", help="read the backup to its end, and restore nothing"
        )
        parser.add_argument(
            "--replace", action="store_true", help="move the desk that is there aside"
        )
        parser.add_argument(
            "--keys-lost", action="store_true", help="restore although the old keys are gone"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        source = options["source"].absolute()
        try:
            if options["check"]:
                manifest = check(source)
                self.stdout.write(f"{manifest.files} files are as they were written.")
                return
            restored = restore(source, replace=options["replace"], keys_lost=options["keys_lost"])
        except (BackupError, OSError) as error:
            raise CommandError(f"Nothing was restored. {error}") from error
        for place in restored.kept:
            self.stdout.write(f"What was there before: {place}")
        if restored.erased:
            self.stdout.write(f"Erased again, as since the backup: {restored.erased} images.")
        for pk in restored.held:
            self.stderr.write(f"Erased since the backup, in which it is on legal hold: {pk}")
        self._verify()

    def _verify(self) -> None:
        """Say whether the restored desk is what was recorded."""
        codes = {self._code_of("verify_evidence"), self._code_of("verify_audit")}
        for code in (CHANGED, CANNOT_TELL):
            if code in codes:
                sys.exit(code)
        self.stdout.write(self.style.SUCCESS("Restored, and as recorded."))

    def _code_of(self, command: str) -> int:
        try:
            call_command(command, stdout=self.stdout, stderr=self.stderr)
        except SystemExit as ended:
            return int(ended.code or 0)
        except CommandError as error:
            self.stderr.write(str(error))
            return error.returncode
        return 0
