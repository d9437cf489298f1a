"""manage.py seal_anew: before an earlier SECRET_KEY leaves SECRET_KEY_FALLBACKS."""

from collections.abc import Iterator
from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand
from django.db import transaction

from accounts import second_factors
from accounts.sealing import UnreadableError, sealed_anew
from detection import signing
from detection.models import WebhookEndpoint

SECRETS_OF_FACTORS = ("secret", "seed")
SECRETS_OF_WEBHOOKS = ("secret", "previous_secret")


class Command(BaseCommand):
    help = "Seal every kept secret under the SECRET_KEY of now; safe while the desk runs."

    def handle(self, *args: Any, **options: Any) -> None:
        done = lost = 0
        for is_read in (*_factors(), *_webhooks()):
            done, lost = done + is_read, lost + (not is_read)
        self.stdout.write(f"{done} sealed anew, {lost} cannot be read with any key.")


def _factors() -> Iterator[bool]:
    for pk in Authenticator.objects.values_list("pk", flat=True):
        with transaction.atomic():  # codes are used up in the same column
            row = Authenticator.objects.select_for_update().filter(pk=pk).first()
            if row is None:
                continue
            found = {name: row.data[name] for name in SECRETS_OF_FACTORS if row.data.get(name)}
            try:
                row.data |= {
                    name: sealed_anew(text, purpose=second_factors.PURPOSE)
                    for name, text in found.items()
                }
            except UnreadableError:
                yield False
                continue
            Authenticator.objects.filter(pk=pk).update(data=row.data)
        if found:
            yield True


def _webhooks() -> Iterator[bool]:
    for pk in WebhookEndpoint.objects.values_list("pk", flat=True):
        with transaction.atomic():
            row = WebhookEndpoint.objects.select_for_update().filter(pk=pk).first()
            if row is None:
                continue
            found = {name: getattr(row, name) for name in SECRETS_OF_WEBHOOKS if getattr(row, name)}
            try:
                anew = {
                    name: sealed_anew(text, purpose=signing.PURPOSE) for name, text in found.items()
                }
            except UnreadableError:
                yield False
                continue
            if anew:
                WebhookEndpoint.objects.filter(pk=pk).update(**anew)
                yield True
