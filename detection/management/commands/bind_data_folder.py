"""manage.py bind_data_folder: tie this database and this data folder together."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from detection.errors import StorageAway
from detection.services import installation


class Command(BaseCommand):
    help = "Check that the database and the data folder belong together; bind new ones."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--adopt", action="store_true", help="you moved or restored one of them yourself"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            installation.bind(adopt=options["adopt"])
        except (installation.ForeignData, StorageAway) as error:
            raise CommandError(str(error)) from error
