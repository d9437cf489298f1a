"""manage.py verify_evidence: whether verdicts and originals are what was recorded."""

import sys
from argparse import ArgumentParser
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand

from detection.services.verification import (
    changed_verdicts,
    damaged_originals,
    strange_originals,
)

CHANGED = 2


class Command(BaseCommand):
    help = (
        "Compare every verdict with its event in the audit trail, and every original with its "
        "SHA-256, and name files that are no image's. Exits with 2 if something differs; "
        "verify_audit says whether the trail is whole."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--verdicts-only", action="store_true", help="leave the originals unread"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        originals = (
            () if options["verdicts_only"] else chain(damaged_originals(), strange_originals())
        )
        differs = False
        for difference in chain(changed_verdicts(), originals):
            differs = True
            self.stderr.write(str(difference))
        if differs:
            sys.exit(CHANGED)
        self.stdout.write("Everything is as recorded.")
