"""manage.py acknowledge_restore: say that a backup was restored on purpose."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.restoration import NothingLost, NotOnlyRestored, acknowledge_restore


class Command(BaseCommand):
    help = (
        "State in the audit trail that a backup was restored on purpose, and which events it "
        "lacks: verify_audit then reports a known gap. Anything else it found stays a finding."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", required=True, help="why it was restored, in a sentence")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            stated = acknowledge_restore(reason=options["reason"])
        except NotOnlyRestored as error:
            raise CommandError(
                f"More than a restored backup shows, so nothing was stated: {error}", returncode=2
            ) from error
        except NothingLost:
            raise CommandError("No event is lost; there is nothing to state.") from None
        for chain, (kept, seen, _until) in stated.lost.items():
            self.stdout.write(f"chain {chain}: events {kept + 1} to {seen} are lost")
        self.stdout.write(f"Stated in checkpoint {stated.number}.")
