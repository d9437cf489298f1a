"""manage.py erase_image: for images that nobody sees any more, such as an erased person's."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from detection.errors import Refused
from detection.models import Image
from detection.services.erasure import erase_image


class Command(BaseCommand):
    help = (
        "Erase images for good, by number, or all of one person's: confidential ones are seen by "
        "nobody once their owner is erased."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--image", metavar="UUID")
        which.add_argument("--owner", type=int, metavar="PERSON", help="the person's number")
        parser.add_argument("--reason", required=True, help="why, in a sentence")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = Image.objects.filter(erased_at=None).order_by("created_at")
        try:
            wanted = {"pk": options["image"]} if options["image"] else {"owner": options["owner"]}
            found = list(rows.filter(**wanted))
        except ValidationError as error:
            raise CommandError(f"{options['image']} is no image's number.") from error
        if not found:
            raise CommandError("There is no such image.")
        held = 0
        for image in found:
            try:
                erase_image(by=None, image=image, reason=options["reason"], because="command")
            except Refused:
                held += 1
        self.stdout.write(f"{len(found) - held} erased, {held} on legal hold.")
        if held:
            raise CommandError("What is on legal hold stays.", returncode=2)
