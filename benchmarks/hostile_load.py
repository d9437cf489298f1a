"""What honest uploads notice while hostile files come in, and what those cost, everything running.

    python -m benchmarks.hostile_load [--honest 60]

Prints p50, p95 and the worst of an honest upload, until it is accepted and until its verdict is
read, alone; beside eight people who each send an honest file and wait for its end; beside one
who sends every hostile file of `tests.hostile` as fast as it is answered; and beside one with
eight connections that each send a bomb and wait for its end, so that eight are always there. Ten
times a second it looks at the web processes' memory and at every decoder, and prints the most
that any had, beside the decoder's limits. With TEST_DATABASE_URL and TEST_REDIS_URL set it runs
on PostgreSQL and Redis.
"""

import argparse
import itertools
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.pipeline import URL, WARM_UP, Pictures
from benchmarks.upload_to_verdict import time_one
from ml.decoder.process import LIMITS
from tests.hostile import FAMILIES, HOSTILE
from tests.integration.installation import Installation

LOOK_S = 0.1
PAUSE_S = 0.3  # between two honest uploads of the one who is measured
AT_ONCE = 8
AT_WORK_S = 0.03  # of processor time; a fork that waits for its image has spent less
DECODER = "ml.decoder.child"
console = Console(width=120)


@dataclass
class Watch:
    """What was seen of the processes, ten times a second.

    Attributes:
        web_mb: resident memory of all web processes together, at each look.
        decoders: how many forks held an image's memory at once, at most.
        decoder_mb: the most that one of them had resident.
        decoder_s: the longest that one of them worked on an image; those that wait do not count.
    """

    web_mb: list[float] = field(default_factory=list)
    decoders: int = 0
    decoder_mb: float = 0.0
    decoder_s: float = 0.0
    looks: int = 0


@contextmanager
def watching(desk: Installation) -> Iterator[Watch]:
    seen, is_over = Watch(), threading.Event()
    busy_since: dict[int, float] = {}

    def look() -> None:
        seen.looks += 1
        seen.web_mb.append(
            sum(one.memory_info().rss for one in desk.service("web").children()) / 1e6
        )
        forks = [one for one in desk.family() if _is_fork_of_a_decoder(one)]
        now, at_work = time.monotonic(), 0
        for fork in forks:
            with suppress(psutil.Error):
                if sum(fork.cpu_times()[:2]) < AT_WORK_S:
                    continue  # made while nobody waits
                at_work += 1
                seen.decoder_mb = max(seen.decoder_mb, fork.memory_info().rss / 1e6)
                seen.decoder_s = max(seen.decoder_s, now - busy_since.setdefault(fork.pid, now))
        for gone in busy_since.keys() - {fork.pid for fork in forks}:
            del busy_since[gone]
        seen.decoders = max(seen.decoders, at_work)

    def watch() -> None:
        while not is_over.wait(LOOK_S):
            with suppress(psutil.Error, AssertionError):
                look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        is_over.set()
        thread.join()


def _is_fork_of_a_decoder(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        parent = process.parent()
        return DECODER in process.cmdline() and parent is not None and DECODER in parent.cmdline()
    return False


@contextmanager
def sending(
    desk: Installation, keys: Sequence[httpx.Headers], streams: Sequence[Iterator[bytes]]
) -> Iterator[Counter[int]]:
    """Meanwhile, one client for each stream sends one file after the other.

    Several wait for the end of each; one does not.

    Args:
        keys: whose each stream is.
    """
    answers, is_over = Counter[int](), threading.Event()

    def send(key: httpx.Headers, contents: Iterator[bytes]) -> None:
        with httpx.Client(base_url=desk.origin, headers=key, timeout=60) as client:
            for content in contents:
                if is_over.is_set():
                    return
                answer = client.post(URL, files={"image": ("a.jpg", content)})
                answers[answer.status_code] += 1
                while len(streams) > 1 and answer.is_success and not _has_ended(answer):
                    time.sleep(PAUSE_S)
                    answer = client.get(f"{URL}/{answer.json()['id']}")

    whose = zip(keys, streams, strict=False)
    threads = [threading.Thread(target=send, args=one) for one in whose]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def key_of_another(desk: Installation, number: int) -> httpx.Headers:
    with desk.client(desk.add_person(f"p{number}@example.org")) as client:
        return client.headers


def _has_ended(answer: httpx.Response) -> bool:
    return answer.json()["status"] in {"done", "failed"}


def each_its_own(files: Sequence[bytes], numbers: Iterator[int]) -> Iterator[bytes]:
    """These again and again; bytes after the end of each make it one that was never seen."""
    for content in itertools.cycle(files):
        yield content + b"unmask-%09d" % next(numbers)


def measured(client: httpx.Client, pictures: Pictures, count: int) -> np.ndarray:
    """Milliseconds until accepted and until the verdict was read, of each honest upload."""
    found = []
    for content in pictures.some(count):
        found.append(time_one(client, content))
        time.sleep(PAUSE_S)
    return np.array(found)


def drain(desk: Installation) -> float:
    """Seconds until nothing waits."""
    started = time.monotonic()
    waits = "select count(*) from detection_detection where status in ('queued', 'running')"
    desk.wait_until(lambda: desk.database.count(waits) == 0, 1800)
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--honest", type=int, default=60)
    count = parser.parse_args().honest
    pictures, numbers = Pictures(), itertools.count()
    hostile = [build() for build in HOSTILE.values()]
    bombs = [build() for build in FAMILIES["bomb"].values()]
    table = Table(
        "beside", "sent: by answer", "n", "accepted p50 / p95 / max ms", "verdict", "web MB"
    )
    with tempfile.TemporaryDirectory() as folder:
        desk = Installation(Path(folder) / "data", UNMASK_API_REQUESTS_PER_MINUTE="1000000").start()
        try:
            with desk.client() as client, watching(desk) as seen:
                client.timeout = httpx.Timeout(120)
                keys = [key_of_another(desk, n) for n in range(AT_ONCE)]
                measured(client, pictures, WARM_UP)
                for name, whose, streams in (
                    ("nothing", [], []),
                    (
                        f"{AT_ONCE} who send honest files",
                        keys,
                        [each_its_own(pictures.some(8), numbers) for _ in range(AT_ONCE)],
                    ),
                    ("one who sends all hostile files", keys, [iter(hostile)]),
                    (
                        f"one who sends bombs, {AT_ONCE} at once",
                        keys[:1] * AT_ONCE,
                        [each_its_own(bombs, numbers) for _ in range(AT_ONCE)],
                    ),
                ):
                    first = len(seen.web_mb)
                    with sending(desk, whose, streams) as answers:
                        times = measured(client, pictures, count)
                    waited_s = drain(desk)
                    add_row(table, name, answers, times, seen.web_mb[first:], waited_s)
            say_failures(desk)
        finally:
            desk.close()
    console.print(table)
    memory_mb = LIMITS.memory_bytes / 1e6
    console.print(
        f"{seen.looks} looks. Decoders: at most {seen.decoders} at work at once, "
        f"{seen.decoder_mb:.0f} MB resident, {seen.decoder_s:.1f} s; the limits are "
        f"{memory_mb:.0f} MB of address space and {LIMITS.wall_s:g} s each."
    )


def add_row(
    table: Table,
    name: str,
    answers: Counter[int],
    times: np.ndarray,
    web_mb: Sequence[float],
    waited_s: float,
) -> None:
    sent = ", ".join(f"{count} × {status}" for status, count in sorted(answers.items()))
    table.add_row(
        name,
        f"{sent or '-'}; all ended {waited_s:.0f} s later",
        str(len(times)),
        *(" / ".join(f"{value:.0f}" for value in _spread(times[:, at])) for at in (0, 1)),
        f"{web_mb[0]:.0f} → {web_mb[-1]:.0f}, at most {max(web_mb):.0f}",
    )


def _spread(values: np.ndarray) -> tuple[float, float, float]:
    return float(np.percentile(values, 50)), float(np.percentile(values, 95)), float(values.max())


def say_failures(desk: Installation) -> None:
    rows = desk.database.rows(
        "select failure_code, count(*) from detection_detection where status = 'failed' group by 1"
    )
    console.print("failed: " + ", ".join(f"{count} × {code}" for code, count in sorted(rows)))


if __name__ == "__main__":
    main()
