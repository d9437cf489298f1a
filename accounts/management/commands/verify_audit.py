"""manage.py verify_audit: whether the audit trail is what was written."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts import verification
from accounts.audit_key import known_mac_key
from accounts.checkpoints import CHECKPOINTS_FILE, PUBLIC_KEY_FILE, read_public_key

TAMPERED, CANNOT_TELL = 2, 3


class Command(BaseCommand):
    help = (
        "Verify every audit event and checkpoint. Exits with 0 if all is whole, 2 if something was "
        "changed, 3 if no checkpoints are at hand: then a cut tail or an old backup cannot be seen."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--checkpoints", type=Path, help="a copy that was kept elsewhere")
        parser.add_argument("--public-key", type=Path, help="the key that was kept elsewhere")

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["checkpoints"] or settings.AUDIT_DIR / CHECKPOINTS_FILE
        key_path = options["public_key"] or settings.AUDIT_DIR / PUBLIC_KEY_FILE
        if options["checkpoints"] and not path.exists():
            raise CommandError(f"{path} does not exist.", returncode=CANNOT_TELL)
        try:
            key = read_public_key(key_path) if key_path.exists() else None
        except (OSError, ValueError) as error:
            raise CommandError(
                f"{key_path} is no public key: {error}", returncode=CANNOT_TELL
            ) from error
        if key is None and path.exists():
            raise CommandError(
                f"{path} cannot be checked: {key_path} does not exist.", returncode=CANNOT_TELL
            )
        mac_key = known_mac_key()
        found = verification.verify(path, key, mac_key)
        self.stdout.write(
            f"{_counted(found.events, 'event')}, {_counted(found.checkpoints, 'checkpoint')}; "
            f"text about persons was erased from {_counted(found.erased, 'event')}."
        )
        for gap in found.gaps:
            self.stdout.write(str(gap))
        if found.findings:
            for finding in found.findings:
                self.stderr.write(str(finding))
            sys.exit(TAMPERED)
        if mac_key is None and found.events:
            self.stderr.write(
                "No audit key: whether an event was written by the application cannot be told."
            )
            sys.exit(CANNOT_TELL)
        if not found.checkpoints:
            self.stderr.write("No checkpoints: whether the end was cut off cannot be told.")
            sys.exit(CANNOT_TELL)
        self.stdout.write("Nothing else was changed." if found.gaps else "Nothing was changed.")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
