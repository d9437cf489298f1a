"""manage.py sweep: one round of the sweeper, by hand."""

from typing import Any

from django.core.management.base import BaseCommand

from detection.services import erasure, orphans, sweeping


class Command(BaseCommand):
    help = "Ring again for waiting detections, end hopeless ones, set day-old orphans aside."

    def handle(self, *args: Any, **options: Any) -> None:
        counts = {**sweeping.sweep(), **orphans.tidy(), "erased": erasure.finish()}
        self.stdout.write(", ".join(f"{name} {count}" for name, count in counts.items()))
