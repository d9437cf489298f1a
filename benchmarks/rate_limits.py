"""What counting one attempt costs: in Redis, in the database, and when Redis is away.

    python -m benchmarks.rate_limits [--times 2000]

Uses a temporary SQLite database, or the one of DATABASE_URL, and a server of its own for Redis.
"""

import argparse
import os
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import django
from rich.console import Console
from rich.table import Table


def laps_us(times: int, who: str) -> list[float]:
    from deepfake_site.rate_limits import Limit, take

    laps = []
    for n in range(times):
        started = time.perf_counter()
        take("benchmark", f"{who} {n % 50}", Limit(100, per_s=60))
        laps.append((time.perf_counter() - started) * 1e6)
    return laps


def start_valkey(path: Path) -> subprocess.Popen[bytes]:
    from detection.management.commands.up import _valkey_binary

    options = ["--port", "0", "--unixsocket", str(path), "--save", ""]
    server = subprocess.Popen([_valkey_binary(), *options], stdout=subprocess.DEVNULL)
    while not path.exists():
        time.sleep(0.01)
    return server


def away(folder: Path) -> dict[str, list[float]]:
    """The first attempt that finds Redis away, and the next hundred."""
    from django.conf import settings

    from deepfake_site import rate_limits

    found = {}
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        for what, url in (
            ("that is gone", f"redis+socket://{folder / 'nobody.sock'}"),
            ("that does not answer", f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"),
        ):
            settings.REDIS_URL, rate_limits._silent_until = url, 0.0
            first, *rest = laps_us(101, what)
            found[f"first to meet a Redis {what}"] = [first]
            found[f"the next 100, Redis {what}"] = rest
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=2000)
    times = parser.parse_args().times
    folder = Path(tempfile.mkdtemp())
    os.environ.setdefault("UNMASK_DATA", str(folder))
    os.environ.setdefault("SECRET_KEY", "only for a benchmark, and long enough to be taken as one")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepfake_site.settings")
    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    server = start_valkey(folder / "valkey.sock")
    settings.REDIS_URL = f"redis+socket://{folder / 'valkey.sock'}"
    laps_us(50, "warm")
    rows = {"Redis": laps_us(times, "redis")}
    server.kill()
    server.wait()
    rows |= away(folder)
    rows[f"database ({connection.vendor})"] = laps_us(times, "database")

    table = Table("one take", "n", "p50 µs", "p95 µs", "worst µs")
    for name, laps in rows.items():
        p95 = statistics.quantiles(laps, n=20)[-1] if len(laps) > 1 else laps[0]
        numbers = (statistics.median(laps), p95, max(laps))
        table.add_row(name, str(len(laps)), *(f"{number:,.0f}" for number in numbers))
    Console().print(table)


if __name__ == "__main__":
    main()
