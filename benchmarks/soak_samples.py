"""What an installation's processes, broker, database and folders hold, looked at while it runs."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import redis

from tests.integration.installation import Installation

FILES_EVERY = 30  # samples; walking over tens of thousands of files is work too
QUEUES = ("sweep", "detect", "bulk", "evidence", "deliver", "train")
ENDED = ("done", "failed")
DECODERS = {"ml.decoder.child": "decoder", "ml.decoder.credentials_child": "credentials"}


class Sampler:
    """Appends a sample to a file of JSON lines every few seconds, and tells of it.

    Attributes:
        samples: all so far.
        troubles: samples that could not be taken, and why.
    """

    def __init__(
        self,
        installation: Installation,
        path: Path,
        every_s: float,
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self.samples: list[dict[str, Any]] = []
        self.troubles: list[str] = []
        self._installation, self._every_s, self._tell = installation, every_s, tell
        self._file = path.open("w", encoding="utf-8")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler")

    def __enter__(self) -> "Sampler":
        self._broker = broker_of(self._installation)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._file.close()

    def _run(self) -> None:
        due = self._first = time.time()
        while not self._over.wait(max(0.0, due - time.time())):
            due += self._every_s
            try:
                self.take(with_files=len(self.samples) % FILES_EVERY == 0)
            except Exception as error:  # noqa: BLE001 (one look less, and the run goes on)
                self.troubles.append(f"{type(error).__name__}: {error}")

    def take(self, *, with_files: bool) -> None:
        sample = {
            "at": round(time.time() - self._first, 1),
            "load": psutil.getloadavg()[0],
            "busy_s": busy_s(),
            **database_sample(self._installation),
            "processes": list(processes(self._installation)),
            "broker": broker_sample(self._broker),
        }
        if with_files:
            sample["files"] = files_below(self._installation.data)
            sample["temporary"] = files_below(Path(self._installation.environment["TMPDIR"]))
        self._tell(sample)
        self.samples.append(sample)
        self._file.write(json.dumps(sample) + "\n")
        self._file.flush()


def busy_s() -> float:
    """Seconds that the machine's cores have worked, for whomever."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice


def broker_of(installation: Installation) -> "redis.Redis[bytes]":
    if installation.redis:
        return redis.Redis.from_url(installation.redis.url)
    (path,) = Path(installation.environment["TMPDIR"]).glob("unmask-*/valkey.sock")
    return redis.Redis(unix_socket_path=str(path))


def broker_sample(broker: "redis.Redis[bytes]") -> dict[str, Any]:
    memory, clients = broker.info("memory"), broker.info("clients")
    return {
        "used": memory["used_memory"],
        "keys": broker.dbsize(),
        "clients": clients["connected_clients"],
        "unacked": broker.hlen("unacked"),
        "queues": {name: broker.llen(name) for name in QUEUES},
    }


def processes(installation: Installation) -> Iterator[dict[str, Any]]:
    """Memory in bytes, descriptors, threads and CPU seconds of each that lives, with its role."""
    assert installation.process is not None
    services = {
        int(pid): name for name, pid in re.findall(r"(?m)^(\w+) +\| pid (\d+)$", installation.log)
    }
    roots = [psutil.Process(installation.process.pid)]
    if installation.redis:
        roots.append(psutil.Process(installation.redis.process.pid))
    for root in roots:
        yield from _measured(root, "supervisor" if root is roots[0] else "redis", services)


def _measured(
    process: psutil.Process, role: str, services: dict[int, str]
) -> Iterator[dict[str, Any]]:
    try:
        with process.oneshot():
            memory, times = process.memory_full_info(), process.cpu_times()
            yield {
                "role": role,
                "pid": process.pid,
                "started": process.create_time(),
                "rss": memory.rss,
                "uss": memory.uss,
                "fds": process.num_fds(),
                "threads": process.num_threads(),
                "cpu_s": times.user + times.system,
            }
        children = process.children()
    except psutil.Error:  # it ended meanwhile
        return
    for child in children:
        if known := role_below(child, role, services):
            yield from _measured(child, known, services)


def role_below(child: psutil.Process, role: str, services: dict[int, str]) -> str:
    """What a child of that role is; nothing for a decoder's fork, which lives for one image."""
    if role == "supervisor":
        return services.get(child.pid, "")
    if any(role.endswith(name) for name in DECODERS.values()):
        return ""
    try:
        module = next((one for one in DECODERS if one in child.cmdline()), "")
    except psutil.Error:
        return ""
    return f"{role}'s {DECODERS[module]}" if module else f"{role} pool"


def seconds(installation: Installation, start: str, end: str = "") -> str:
    """SQL for the seconds between two columns, or until now."""
    if installation.database.server:
        return f"extract(epoch from {end or 'clock_timestamp()'} - {start})::float"
    until = end or "'now'"
    return f"(julianday({until}) - julianday({start})) * 86400.0"


def database_sample(installation: Installation) -> dict[str, Any]:
    states = dict(
        installation.database.rows("select status, count(*) from detection_detection group by 1")
    )
    waiting = installation.database.rows(
        f"select queue, count(*), max({seconds(installation, 'queued_at')})"
        " from detection_detection where status = 'queued' group by 1"
    )
    return {
        "done": sum(states.get(name, 0) for name in ENDED),
        "states": states,
        "waiting": {queue: count for queue, count, _age in waiting},
        "oldest_s": {queue: round(age, 2) for queue, _count, age in waiting},
        **_sizes(installation),
    }


def _sizes(installation: Installation) -> dict[str, Any]:
    database = installation.database
    if not database.server:
        wal = database.path.with_name(database.path.name + "-wal")
        return {
            "database_bytes": database.path.stat().st_size,
            "wal_bytes": wal.stat().st_size if wal.exists() else 0,
        }
    ((size, written, connections),) = database.rows(
        "select pg_database_size(current_database()), pg_current_wal_lsn() - '0/0'::pg_lsn,"
        " (select count(*) from pg_stat_activity where datname = current_database())"
    )
    ((wal,),) = database.rows("select sum(size) from pg_ls_waldir()")
    return {
        "database_bytes": int(size),
        "wal_bytes": int(wal),
        "wal_written_bytes": int(written),  # by the whole server
        "connections": connections,
    }


def files_below(folder: Path) -> dict[str, list[int]]:
    """Count and bytes of the files in each folder that lies directly in this one."""
    found: dict[str, list[int]] = {}
    for path in folder.rglob("*"):
        try:
            if not path.is_file():
                continue
            size = path.stat().st_size
        except OSError:  # it was removed meanwhile
            continue
        within = path.relative_to(folder)
        name = within.parts[0] if len(within.parts) > 1 else "."
        if path.suffix == ".part":
            name = "*.part"
        counted = found.setdefault(name, [0, 0])
        counted[0] += 1
        counted[1] += size
    return found
