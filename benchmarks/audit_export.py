"""Seconds and memory of an export of many audit events.

    python -m benchmarks.audit_export [--rows 100000]

Writes to a temporary SQLite database, or to the one of DATABASE_URL, which must be empty. Wanted: a
peak that does not grow with the number of events; it is that of this process above what it held
before.
"""

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path
from tempfile import TemporaryFile

import django
import psutil
from rich.console import Console
from rich.table import Table

WANTED_MB = 64


def own_memory() -> int:
    """Resident bytes that are no file's, such as the database's, which SQLite maps."""
    info = psutil.Process().memory_info()
    return info.rss - info.shared


class Peak(threading.Thread):
    """The largest memory of this process while it runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes, self._is_over = 0, threading.Event()

    def run(self) -> None:
        while not self._is_over.wait(0.01):
            self.bytes = max(self.bytes, own_memory())

    def stop(self) -> None:
        self._is_over.set()
        self.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"UNMASK_DATA": folder, "SECRET_KEY": "benchmark " * 6}
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepfake_site.settings")
        django.setup()
        from django.db import connection

        from accounts.audit_export import write_export
        from accounts.checkpoints import seal
        from accounts.models import AuditEvent
        from benchmarks.audit_trail import fill, prepare

        prepare(1)
        for _ in range(max(1, options.rows // 100_000)):
            fill(min(options.rows, 100_000))
        seal()
        before, peak = own_memory(), Peak()
        with TemporaryFile(dir=Path(folder)) as file:
            peak.start()
            started = time.perf_counter()
            write_export(AuditEvent.objects.filter(actor_id__lt=25), file)
            seconds = time.perf_counter() - started
            peak.stop()
            size_mb = file.tell() / 1e6
        grown_mb = (peak.bytes - before) / 1e6
        table = Table("", "measured", "wanted")
        table.add_row(f"{connection.vendor}, {options.rows} events, half of them asked for", "", "")
        table.add_row("seconds", f"{seconds:.1f}", "")
        table.add_row("events a second", f"{options.rows / seconds:.0f}", "")
        table.add_row("ZIP", f"{size_mb:.0f} MB", "")
        table.add_row("memory above the start", f"{grown_mb:.0f} MB", f"{WANTED_MB} MB")
        Console().print(table)


if __name__ == "__main__":
    main()
