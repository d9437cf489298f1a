"""manage.py prepare_database: migrations, and who may do what in the database."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections

from accounts.database_roles import UnfitRole, grant

OWNER = "owner"


class Command(BaseCommand):
    help = (
        "Bring the database up to this release. With DATABASE_OWNER_URL, as that role, and the "
        "role of DATABASE_URL gets no more than it needs."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        alias = OWNER if OWNER in connections.settings else DEFAULT_DB_ALIAS
        call_command("migrate", database=alias, interactive=False, verbosity=options["verbosity"])
        if alias == OWNER:
            role = str(connections.settings[DEFAULT_DB_ALIAS]["USER"])
            try:
                grant(connections[OWNER], role)
            except UnfitRole as error:
                raise CommandError(str(error)) from error
            connections[OWNER].close()
