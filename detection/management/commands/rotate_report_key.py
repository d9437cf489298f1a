"""Sign reports with another key from now on; what the old one signed stays valid."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from detection.reports.keys import rotate_kept_key


class Command(BaseCommand):
    help = "Make a new key for signing reports. Old reports stay valid under their own key."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            row = rotate_kept_key()
        except RuntimeError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Reports are signed with {row.pk} from now on: {row.public_key}")
