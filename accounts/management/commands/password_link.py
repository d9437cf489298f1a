"""manage.py password_link: for installations that send no mail, and for people locked out."""

from argparse import ArgumentParser
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.urls import reverse

from accounts import audit
from accounts.models import User


class Command(BaseCommand):
    help = "Print a link with which a person sets a new password, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"], is_active=True).first()
        if user is None:
            raise CommandError(f"Nobody active has the e-mail address {options['email']}.")
        where = {
            "uidb36": user_pk_to_url_str(user),
            "key": default_token_generator.make_token(user),
        }
        path = reverse("account_reset_password_from_key", kwargs=where)
        with transaction.atomic():
            audit.record("user.password_link_made", actor=None, target=user, owner=user)
        self.stdout.write(f"{_address()}{path}")


def _address() -> str:
    """Where the site is: as stated for this command, else as the running installation says."""
    lock = settings.DATA_DIR / "lock"
    if settings.IS_ORIGIN_STATED or not lock.exists():
        return settings.UNMASK_ORIGIN
    return lock.read_text(encoding="utf-8").partition(",")[0].strip() or settings.UNMASK_ORIGIN
