"""manage.py verify_evidence: whether verdicts and originals are what was recorded."""

import sys
from argparse import ArgumentParser
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand

from detection.services.verification import (
    changed_verdicts,
    damaged_originals,
    unnamed_originals,
)

CHANGED = 2


class Command(BaseCommand):
    help = (
        "Compare every verdict with its event in the audit trail, and every original with its "
        "SHA-256. Exits with 2 if something differs; verify_audit says whether the trail is whole. "
        "Files that no image has are listed and are no difference: an upload that broke off "
        "leaves one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--verdicts-only", action="store_true", help="leave the originals unread"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        originals = () if options["verdicts_only"] else damaged_originals()
        differs = False
        for difference in chain(changed_verdicts(), originals):
            differs = True
            self.stderr.write(str(difference))
        for path in () if options["verdicts_only"] else unnamed_originals():
            self.stdout.write(f"of no image: {path}")
        if differs:
            sys.exit(CHANGED)
        self.stdout.write("Everything is as recorded.")
