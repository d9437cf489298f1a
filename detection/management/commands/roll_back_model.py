"""manage.py roll_back_model: let the model judge again that the present one followed."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from detection.errors import Refused
from detection.services import registry


class Command(BaseCommand):
    help = "Put the model back into service that judged before; what was judged keeps its verdict."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", default="", help="kept in the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = registry.roll_back(by=None, reason=options["reason"][:500])
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(f"{made.version} judges again, in place of {made.previous}.")
