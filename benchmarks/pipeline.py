"""What a desk takes in and judges when a pipeline leans on it, everything running.

    python -m benchmarks.pipeline [--uploads 200] [--verdicts 120] [--waited 60]

Prints, beside its own limit measured in the same run:
- accepted uploads/s, 200 KB each, beside the disk's own rate of syncing such files;
- p50, p95 and p99 of a waited request at 1, 8 and 32 clients;
- verdicts/s sustained with 1 and 2 workers, beside one process that only decodes and judges;
- an interactive request's time alone, and while a bulk backlog is worked off;
- a page's time while 50 requests wait.

With TEST_DATABASE_URL and TEST_REDIS_URL set it runs on PostgreSQL and Redis, else on SQLite.
"""

import argparse
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.upload_to_verdict import noisy_jpeg
from client.check import load_predictor
from ml.decoder import MIN_SIDE, Decoder
from tests.integration.installation import Installation

SIZE = (1024, 768, 200_000)
URL = "/api/v1/detections"
WARM_UP = 8
console = Console(width=110)


class Pictures:
    """Distinct JPEGs of one size, drawn once and told apart by bytes after their end."""

    def __init__(self, drawn: Sequence[bytes] = ()) -> None:
        self._drawn = drawn or [noisy_jpeg(*SIZE, seed=seed) for seed in range(8)]
        self._count = 0

    def some(self, count: int) -> list[bytes]:
        first, self._count = self._count, self._count + count
        return [
            self._drawn[n % len(self._drawn)] + b"unmask-benchmark-%08d" % n
            for n in range(first, first + count)
        ]


def syncs_per_s(folder: Path, content: bytes, count: int = 100) -> float:
    """How many files of this content the disk takes a second: written, synced, their folder too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    started = time.perf_counter()
    for _ in range(count):
        with (folder / uuid.uuid4().hex).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.fsync(handle)
    os.close(handle)
    return count / (time.perf_counter() - started)


def judged_per_s(contents: Sequence[bytes], folder: Path) -> tuple[float, float]:
    """Images/s of one process that only decodes and judges, and its CPU ms for each."""
    predictor = load_predictor("default")
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / f"{number}.jpg")
        paths[-1].write_bytes(content)
    with Decoder() as decoder:
        predictor.predict([decoder.decode(paths[0], min_side=MIN_SIDE)])
        started, cpu = time.perf_counter(), cpu_s([psutil.Process()])
        for path in paths:
            predictor.predict([decoder.decode(path, min_side=MIN_SIDE)])
        took = time.perf_counter() - started
        return len(paths) / took, 1000 * (cpu_s([psutil.Process()]) - cpu) / len(paths)


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """User and system seconds of processes and of their children, those that ended too."""
    total = 0.0
    for process in processes:
        # Itself last: by then it counts what a child took that has just ended.
        for child in process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                total += sum(child.cpu_times()[:4])
        total += sum(process.cpu_times()[:4])
    return total


class Desk:
    """One installation, and as many clients as are asked for."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.installation = Installation(
            folder / "data", UNMASK_API_REQUESTS_PER_MINUTE="1000000", **environment
        )

    def __enter__(self) -> "Desk":
        self.installation.start()
        self.client = self.installation.client()
        limits = httpx.Limits(max_connections=80, max_keepalive_connections=80)
        self.client = httpx.Client(
            base_url=self.installation.origin,
            headers=self.client.headers,
            timeout=60,
            limits=limits,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.installation.close()

    def submit(self, content: bytes, *, wait_s: int = 0, priority: str = "interactive") -> float:
        """Seconds until the answer."""
        started = time.perf_counter()
        answer = self.client.post(
            URL,
            data={"priority": priority},
            files={"image": ("a.jpg", content, "image/jpeg")},
            headers={"Prefer": f"wait={wait_s}"} if wait_s else {},
        )
        answer.raise_for_status()
        if wait_s and answer.status_code != 200:
            raise RuntimeError(f"no verdict in {wait_s} s: {answer.text[:200]}")
        return time.perf_counter() - started

    def at_once(self, clients: int, contents: Sequence[bytes], **options: object) -> list[float]:
        with ThreadPoolExecutor(clients) as pool:
            return list(pool.map(lambda content: self.submit(content, **options), contents))

    def open_work(self) -> int:
        """Detections that wait, and images not described yet, which comes after the verdict."""
        return self.installation.database.count(
            "select count(*) from detection_detection d join detection_image i on i.id = d.image_id"
            " where d.status in ('queued', 'running')"
            " or d.status = 'done' and i.perceptual_hash = ''"
        )

    def drain(self) -> float:
        """Seconds until nothing waits."""
        started = time.perf_counter()
        while self.open_work():
            time.sleep(0.05)
        return time.perf_counter() - started

    def stop_judging(self) -> None:
        """Halt the workers, and none of them while it holds what SQLite's writers wait for."""
        self._halt()
        while self.installation.database.is_locked():
            self.go_on_judging()
            time.sleep(0.1)
            self._halt()

    def _halt(self) -> None:
        for process in self._judges():
            process.suspend()

    def go_on_judging(self) -> None:
        for process in self._judges():
            process.resume()

    def _judges(self) -> list[psutil.Process]:
        found = []
        for name in ("worker", "bulk"):
            service = self.installation.service(name)
            found += [service, *service.children(recursive=True)]
        return found


def accepted(desk: Desk, pictures: Pictures, count: int, table: Table) -> None:
    contents = pictures.some(count)
    limit = syncs_per_s(desk.installation.data, contents[0])
    desk.at_once(8, pictures.some(WARM_UP))
    desk.drain()
    desk.stop_judging()
    web = desk.installation.service("web")
    cpu, started = cpu_s([web]), time.perf_counter()
    desk.at_once(8, contents)
    rate = count / (time.perf_counter() - started)
    spent = 1000 * (cpu_s([web]) - cpu) / count
    desk.go_on_judging()
    table.add_row("accepted uploads/s, 8 clients", str(count), f"{rate:.0f}", f"disk {limit:.0f}")
    table.add_row("CPU of the web process an upload, ms", str(count), f"{spent:.1f}", "")
    desk.drain()


def waited(desk: Desk, pictures: Pictures, count: int, table: Table) -> None:
    for clients in (1, 8, 32):
        times = desk.at_once(clients, pictures.some(max(count, 2 * clients)), wait_s=30)
        p50, p95, p99 = (1000 * float(np.percentile(times, q)) for q in (50, 95, 99))
        figures = f"{p50:.0f} / {p95:.0f} / {p99:.0f}"
        name = f"waited request, {clients} clients: p50 / p95 / p99 ms"
        table.add_row(name, str(len(times)), figures, f"p95 = {p95 / p50:.1f} × p50")


def beside_bulk(desk: Desk, pictures: Pictures, count: int, table: Table) -> None:
    alone = [desk.submit(content, wait_s=30) for content in pictures.some(count)]
    desk.at_once(8, pictures.some(200), priority="bulk")
    beside = [desk.submit(content, wait_s=30) for content in pictures.some(count)]
    still = desk.open_work()
    if not still:
        raise RuntimeError("the backlog was gone before the last interactive request")
    for name, times in (("alone", alone), ("beside a bulk backlog", beside)):
        p50, p95 = (1000 * float(np.percentile(times, q)) for q in (50, 95))
        limit = f"{p50 / (1000 * statistics.median(alone)):.2f} × alone"
        table.add_row(
            f"interactive, {name}: p50 / p95 ms", str(count), f"{p50:.0f} / {p95:.0f}", limit
        )
    desk.drain()


def pages_beside_waiting(desk: Desk, pictures: Pictures, table: Table) -> None:
    desk.stop_judging()
    pool = ThreadPoolExecutor(50)

    def ask(content: bytes) -> httpx.Response:
        return desk.client.post(
            URL, files={"image": ("a.jpg", content, "image/jpeg")}, headers={"Prefer": "wait=15"}
        )

    pending = [pool.submit(ask, content) for content in pictures.some(50)]
    time.sleep(2.0)
    times = []
    with closing(httpx.Client(base_url=desk.installation.origin, timeout=20)) as browser:
        for _ in range(30):
            started = time.perf_counter()
            browser.get("/accounts/login/").raise_for_status()
            times.append(1000 * (time.perf_counter() - started))
    held = sum("Preference-Applied" not in one.result().headers for one in pending if one.done())
    desk.go_on_judging()
    statuses = [one.result().status_code for one in pending]
    pool.shutdown()
    p50, p95 = (float(np.percentile(times, q)) for q in (50, 95))
    table.add_row("a page while 50 requests wait: p50 / p95 ms", "30", f"{p50:.0f} / {p95:.0f}", "")
    table.add_row(
        "of the 50, answered at once", "50", str(held), f"statuses {sorted(set(statuses))}"
    )
    desk.drain()


@dataclass(frozen=True)
class Sustained:
    """What workers got done of a backlog, and the CPU they spent on a verdict."""

    per_s: float
    cpu_ms: float


def judged_by_workers(folder: Path, pictures: Pictures, count: int, *, workers: int) -> Sustained:
    with Desk(folder, UNMASK_WORKERS=str(workers)) as desk:
        desk.at_once(4, pictures.some(WARM_UP))
        desk.drain()
        judges = desk.installation.service("worker")
        desk.stop_judging()
        desk.at_once(8, pictures.some(count))
        cpu, started = cpu_s([judges]), time.perf_counter()
        desk.go_on_judging()
        desk.drain()
        rate = count / (time.perf_counter() - started)
        return Sustained(rate, 1000 * (cpu_s([judges]) - cpu) / count)


def sustained(folder: Path, pictures: Pictures, count: int, table: Table, limit: float) -> None:
    for workers in (1, 2):
        (folder / f"{workers}").mkdir()
        found = judged_by_workers(folder / f"{workers}", pictures, count, workers=workers)
        name = f"verdicts/s sustained, {workers} worker{'s' if workers > 1 else ''}"
        ratio = f"{found.per_s / limit:.2f} × one process"
        table.add_row(name, str(count), f"{found.per_s:.2f}", ratio)
        table.add_row("CPU of the workers a verdict, ms", str(count), f"{found.cpu_ms:.0f}", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--verdicts", type=int, default=120)
    parser.add_argument("--waited", type=int, default=60)
    sizes = parser.parse_args()
    pictures = Pictures()
    database = "PostgreSQL" if os.environ.get("TEST_DATABASE_URL") else "SQLite"
    table = Table("what", "n", database, "limit or ratio")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pictures").mkdir()
        limit, cpu = judged_per_s(pictures.some(sizes.verdicts // 2), folder / "pictures")
        table.add_row("one process that decodes and judges, images/s", "", f"{limit:.2f}", "")
        table.add_row("its CPU an image, ms", "", f"{cpu:.0f}", "")
        (folder / "shared").mkdir()
        with Desk(folder / "shared") as desk:
            accepted(desk, pictures, sizes.uploads, table)
            waited(desk, pictures, sizes.waited, table)
            beside_bulk(desk, pictures, 20, table)
            pages_beside_waiting(desk, pictures, table)
        console.print(table)
        last = Table("what", "n", database, "limit or ratio")
        sustained(folder, pictures, sizes.verdicts, last, limit)
    console.print(last)


if __name__ == "__main__":
    main()
