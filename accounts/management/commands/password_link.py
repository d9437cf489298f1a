"""manage.py password_link: for installations that send no mail, and for people locked out."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts import people
from accounts.models import User


class Command(BaseCommand):
    help = "Print a link with which a person sets a new password, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"], is_active=True).first()
        if user is None:
            raise CommandError(f"Nobody active has the e-mail address {options['email']}.")
        self.stdout.write(f"{_address()}{people.password_link(by=None, person=user)}")


def _address() -> str:
    """Where the site is: as stated for this command, else as the running installation says."""
    lock = settings.DATA_DIR / "lock"
    if settings.IS_ORIGIN_STATED or not lock.exists():
        return settings.UNMASK_ORIGIN
    return lock.read_text(encoding="utf-8").partition(",")[0].strip() or settings.UNMASK_ORIGIN
