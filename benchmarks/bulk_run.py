"""A run of bulk batches on a live desk, and what somebody who waits beside it notices of it.

    python -m benchmarks.bulk_run [--batches 10] [--size 100] [--every 2]

Sends batches of distinct JPEGs of 200 kB with priority bulk through the Python client, and from the
first to the last verdict one interactive image now and then, whose verdict is waited for. Wanted:
all accepted and judged, a progress that rises, and an interactive verdict that comes no later than
alone by more than the time of one detection.

With TEST_DATABASE_URL and TEST_REDIS_URL set it runs on PostgreSQL and Redis, else on SQLite.
"""

import argparse
import io
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.pipeline import WARM_UP, Desk, Pictures
from client import server

ALONE = 30


@dataclass
class Run:
    """What was seen of the run.

    Attributes:
        accepted: images that the answers to the batches name as accepted.
        accepted_in_s: until the last batch was answered.
        done: images that the batches' own progress counted as done, each time it was asked.
        judged_in_s: until nothing waited.
        while_sent_s, beside_s: seconds until each interactive verdict that was asked for while the
            batches came in, and after that.
    """

    accepted: int = 0
    accepted_in_s: float = 0.0
    judged_in_s: float = 0.0
    done: list[int] = field(default_factory=list)
    while_sent_s: list[float] = field(default_factory=list)
    beside_s: list[float] = field(default_factory=list)


def send(client: server.Desk, batches: Sequence[Sequence[bytes]], run: Run) -> list[str]:
    """The ids of the batches."""
    started, ids = time.perf_counter(), []
    for contents in batches:
        files = [io.BytesIO(content) for content in contents]
        names = [f"{number}.jpg" for number in range(len(files))]
        answer = client.submit_batch(files, names=names, priority="bulk")
        run.accepted += sum(result["problem"] is None for result in answer["results"])
        ids.append(answer["id"])
    run.accepted_in_s = time.perf_counter() - started
    return ids


def lean_on(
    desk: Desk, batches: Sequence[Sequence[bytes]], interactive: Pictures, every_s: float
) -> Run:
    run, wanted = Run(), sum(map(len, batches))
    key = desk.client.headers["Authorization"].removeprefix("Bearer ")
    with server.Desk(desk.installation.origin, key) as client, ThreadPoolExecutor(1) as pool:
        started = time.perf_counter()
        sending = pool.submit(send, client, batches, run)
        while not run.done or run.done[-1] < wanted:
            laps = run.beside_s if sending.done() else run.while_sent_s
            laps.append(desk.submit(interactive.some(1)[0], wait_s=30))
            time.sleep(every_s if sending.done() else every_s / 4)
            if sending.done():
                counts = [client.batch(pk)["counts"] for pk in sending.result()]
                run.done.append(sum(one["done"] for one in counts))
        run.judged_in_s = time.perf_counter() - started
    return run


def table_of(run: Run, alone_s: Sequence[float], wanted: int, kind: str) -> Table:
    table = Table("what", "n", kind, "wanted")
    once = 1000 * float(np.median(alone_s))
    table.add_row("accepted", str(wanted), f"{run.accepted} in {run.accepted_in_s:.0f} s", "all")
    table.add_row("judged", str(wanted), f"{run.done[-1]} in {run.judged_in_s:.0f} s", "all")
    rises = sum(late > early for early, late in zip(run.done, run.done[1:], strict=False))
    falls = sum(late < early for early, late in zip(run.done, run.done[1:], strict=False))
    table.add_row("progress: rose / fell", str(len(run.done)), f"{rises} / {falls}", "never falls")
    for name, laps_s in (
        ("alone", alone_s),
        ("while batches come in", run.while_sent_s),
        ("beside their backlog", run.beside_s),
    ):
        ms = 1000 * np.array(laps_s)
        figures = " / ".join(f"{x:.0f}" for x in (*np.percentile(ms, (50, 95)), ms.max()))
        limit = f"at most {2 * once:.0f}" if laps_s is not alone_s else ""
        table.add_row(f"interactive {name}: p50 / p95 / max ms", str(len(ms)), figures, limit)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between two interactive")
    options = parser.parse_args()
    pictures = Pictures()
    batches = [pictures.some(options.size) for _ in range(options.batches)]
    kind = "PostgreSQL" if os.environ.get("TEST_DATABASE_URL") else "SQLite"
    with tempfile.TemporaryDirectory() as name, Desk(Path(name)) as desk:
        desk.at_once(4, pictures.some(WARM_UP), wait_s=30)
        alone_s = [desk.submit(content, wait_s=30) for content in pictures.some(ALONE)]
        run = lean_on(desk, batches, pictures, options.every)
    wanted = options.batches * options.size
    Console(width=110).print(table_of(run, alone_s, wanted, kind))


if __name__ == "__main__":
    main()
