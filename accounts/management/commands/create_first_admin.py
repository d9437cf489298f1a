"""manage.py create_first_admin: an installation nobody can enter is of no use."""

import secrets
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts import audit
from accounts.models import User

DEFAULT_EMAIL = "admin@unmask.local"


class Command(BaseCommand):
    help = "Create the first administrator from UNMASK_ADMIN_EMAIL and UNMASK_ADMIN_PASSWORD."

    def handle(self, *args: Any, **options: Any) -> None:
        if User.objects.filter(role=User.Role.ADMIN).exists():
            return
        email = settings.UNMASK_ADMIN_EMAIL or DEFAULT_EMAIL
        password = settings.UNMASK_ADMIN_PASSWORD or secrets.token_urlsafe(15)
        try:
            with transaction.atomic():
                admin = User.objects.create_superuser(email, password)
                audit.record("user.created", actor=None, target=admin, after={"role": admin.role})
        except ValidationError as error:
            raise CommandError(f"UNMASK_ADMIN_EMAIL: {'; '.join(error.messages)}") from error
        if settings.UNMASK_ADMIN_PASSWORD:
            self.stdout.write(f"Administrator {email} created.")
        else:
            self.stdout.write(
                f"Administrator created. Sign in as {email} with the password {password}\n"
                "It is shown this once; change it after signing in."
            )
