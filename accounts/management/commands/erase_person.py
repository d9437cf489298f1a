"""manage.py erase_person: make an account nobody's."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.erasure import erase_person
from accounts.models import User
from accounts.people import LockoutError


class Command(BaseCommand):
    help = (
        "Erase a person: name, address, sessions, keys, second factors and the texts about them in "
        "the audit trail. What they did stays under their number. There is no way back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--reason", required=True, help="why, in a sentence")

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(email__iexact=options["email"]).first()
        if person is None:
            raise CommandError(f"Nobody has the address {options['email']}.")
        try:
            erase_person(by=None, person=person, reason=options["reason"])
        except LockoutError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Erased; the record knows them as person {person.pk}.")
