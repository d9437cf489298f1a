"""manage.py remove_second_factors: for people who lost their phone and their recovery codes."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.second_factors import remove_second_factors


class Command(BaseCommand):
    help = "Take away somebody's second factors, so that the password alone lets them in again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"]).first()
        if user is None:
            raise CommandError(f"Nobody has the e-mail address {options['email']}.")
        removed = remove_second_factors(user)
        self.stdout.write(f"{removed} removed.")
