"""manage.py figures: count days anew, after a repair of the database or a change of the rules."""

from argparse import ArgumentParser
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from detection.services import period_figures


class Command(BaseCommand):
    help = "Count the figures of days and weeks anew that the page Monitoring shows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since", type=_day, metavar="YYYY-MM-DD", help="first day; a year ago without it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        last = period_figures.today()
        first = options["since"] or last - timedelta(days=period_figures.KEPT_DAYS)
        if first > last:
            raise CommandError(f"{first} has not begun yet; today is {last} (UTC).")
        days = period_figures.recount(first, last)
        self.stdout.write(f"{days} days counted, {first} to {last}.")


def _day(text: str) -> date:
    return date.fromisoformat(text)
