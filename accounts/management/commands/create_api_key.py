"""manage.py create_api_key: a key for a pipeline, shown once."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.keys import issue_key
from accounts.models import ApiKey, User

DEFAULT_SCOPES = [
    ApiKey.Scope.DETECTIONS_WRITE.value,
    ApiKey.Scope.DETECTIONS_READ.value,
    ApiKey.Scope.MODELS_READ.value,
]


class Command(BaseCommand):
    help = "Create an API key that acts as its owner, and print it once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="the owner's e-mail address")
        parser.add_argument("name", help="what the key is for")
        parser.add_argument("--scope", action="append", choices=ApiKey.Scope.values)
        parser.add_argument("--days", type=int, help="expires after so many days")
        parser.add_argument("--network", action="append", help="may be used from here only (CIDR)")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = User.objects.filter(email__iexact=options["email"], is_active=True).first()
        if owner is None:
            raise CommandError(f"Nobody active has the e-mail address {options['email']}.")
        days = options["days"]
        if days is not None and days < 1:
            raise CommandError(f"--days is {days}; it must be 1 or more.")
        try:
            _key, plaintext = issue_key(
                by=None,
                owner=owner,
                name=options["name"],
                scopes=options["scope"] or DEFAULT_SCOPES,
                expires_at=timezone.now() + timedelta(days=days) if days is not None else None,
                networks=options["network"],
            )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(plaintext)
