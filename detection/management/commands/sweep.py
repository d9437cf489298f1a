"""manage.py sweep: one round of the sweeper, by hand."""

from typing import Any

from django.core.management.base import BaseCommand

from detection.services import sweeping


class Command(BaseCommand):
    help = "Ring again for waiting detections, end hopeless ones, remove day-old orphans."

    def handle(self, *args: Any, **options: Any) -> None:
        counts = {**sweeping.sweep(), "orphans": sweeping.remove_orphans()}
        self.stdout.write(", ".join(f"{name} {count}" for name, count in counts.items()))
