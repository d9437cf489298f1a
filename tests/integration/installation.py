"""A whole installation in real processes, as `make run` starts it, in a folder of its own."""

import atexit
import functools
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg2

from tests import images

PROJECT = Path(__file__).resolve().parents[2]
EMAIL = "desk@example.org"
PASSWORD = "a long enough password"
START_S = 60.0
NOT_INHERITED = {"SECRET_KEY", "SECRET_KEY_FILE", "DATABASE_URL", "REDIS_URL", "UNMASK_ORIGIN"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Database:
    """A database of its own: a file below the data folder, or one on TEST_DATABASE_URL's server.

    It is a copy of one that migrated before, which takes most of a start, unless it is to be empty.
    """

    def __init__(self, data: Path, name: str, *, is_empty: bool = False) -> None:
        self.server = os.environ.get("TEST_DATABASE_URL", "")
        self.name = name
        self.url = f"{self.server.rpartition('/')[0]}/{name}" if self.server else ""
        self.path = data / "unmask.sqlite3"
        self.create(is_empty=is_empty)

    def create(self, *, is_empty: bool = False) -> None:
        if self.server:
            template = "" if is_empty else f" template {_migrated(self.server)}"
            self._on_server(f"create database {self.name}{template}")
        elif not is_empty:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(_migrated(), self.path)

    def count(self, sql: str) -> int:
        return self.rows(sql)[0][0]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.url) if self.server else sqlite3.connect(self.path)
        with closing(connection), closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def is_locked(self) -> bool:
        """Whether somebody holds SQLite's one place for writers for more than half a second."""
        if self.server:
            return False
        with closing(sqlite3.connect(self.path, timeout=0.5, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            connection.execute("ROLLBACK")
        return False

    def drop(self) -> None:
        if self.server:
            self._on_server(f"drop database {self.name} with (force)")

    def _on_server(self, sql: str) -> None:
        _ask_server(self.server, sql)


def _ask_server(url: str, sql: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with closing(connection.cursor()) as cursor:
            cursor.execute(sql)


def _drop_unless_gone(server: str, name: str) -> None:
    with suppress(psycopg2.OperationalError):  # a server of one test ended with it
        _ask_server(server, f"drop database {name} with (force)")


@functools.cache
def _migrated(server: str = "") -> str:
    """A database that holds this release's tables and nothing else: its name, or SQLite's file.

    It is dropped when this process ends.
    """
    folder = tempfile.mkdtemp(prefix="unmask-migrated-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    environment |= {
        "DJANGO_SETTINGS_MODULE": "deepfake_site.settings",
        "UNMASK_DATA": folder,
        "SECRET_KEY": uuid.uuid4().hex * 2,
    }
    name = f"unmask_migrated_{uuid.uuid4().hex[:12]}"
    if server:
        _ask_server(server, f"create database {name}")
        atexit.register(_drop_unless_gone, server, name)
        environment["DATABASE_URL"] = f"{server.rpartition('/')[0]}/{name}"
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=PROJECT, env=environment, check=True)
    return name if server else f"{folder}/unmask.sqlite3"


class Redis:
    """A Redis server of its own, for runs that are to use Redis instead of the package's broker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self, *, forgetful: bool = False) -> None:
        """With nothing of what it held before, where it is to have forgotten."""
        if forgetful:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(exist_ok=True)
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.folder), "--appendonly", "yes", "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class Installation:
    """`manage.py up` as a child process, and a client with a key of its administrator.

    With TEST_DATABASE_URL and TEST_REDIS_URL set it runs on PostgreSQL and on Redis. As a context
    it is started, and closed at the end.
    """

    def __init__(self, data: Path, *, is_from_nothing: bool = False, **environment: str) -> None:
        self.data = data
        name = f"unmask_{uuid.uuid4().hex[:12]}"
        self.database = Database(data, name, is_empty=is_from_nothing)
        self.redis = Redis(data.parent / "redis") if os.environ.get("TEST_REDIS_URL") else None
        if self.redis:
            self.redis.start()
            environment["REDIS_URL"] = self.redis.url
        if self.database.url:
            environment["DATABASE_URL"] = self.database.url
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in NOT_INHERITED},
            "DJANGO_SETTINGS_MODULE": "deepfake_site.settings",
            "UNMASK_DATA": str(data),
            "PORT": str(self.port),
            "UNMASK_ADMIN_EMAIL": EMAIL,
            "UNMASK_ADMIN_PASSWORD": PASSWORD,
            **environment,
        }
        self.log_path = data.parent / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Installation":
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> "Installation":
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=PROJECT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        seen = self.log.count("Unmask is ready")
        self.wait_until(lambda: self.log.count("Unmask is ready") > seen or self._has_ended())
        assert not self._has_ended(), self.log
        return self

    def stop(self) -> int:
        """Ctrl-C; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def close(self) -> None:
        """Stop what still runs and leave nothing on any server."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        if self.redis:
            self.redis.stop()
        self.database.drop()

    def broker(self) -> psutil.Process:
        if self.redis:
            return psutil.Process(self.redis.process.pid)
        return self.service("valkey")

    def replace_broker(self, *, forgetful: bool = False) -> None:
        """Kill the broker; another takes its place, from the supervisor or from here.

        Args:
            forgetful: it has lost all that lay in its queues.
        """
        broker = self.broker()
        if forgetful and not self.redis:
            self._forget(broker)
        broker.kill()
        if self.redis:
            self.redis.process.wait()
            self.redis.start(forgetful=forgetful)

    def _forget(self, broker: psutil.Process) -> None:
        """The package's broker keeps nothing on disk, or in a folder that goes with it."""
        broker.suspend()
        for path in self.data.rglob("*.aof*"):
            path.unlink()
        for path in self.data.rglob("*.rdb"):
            path.unlink()

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def manage(self, *arguments: str) -> str:
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout.strip()

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command of manage.py, however it ends."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def add_person(self, email: str) -> str:
        """A journalist; their address again."""
        made = f"from accounts.models import User; User.objects.create_user({email!r})"
        self.manage("shell", "--no-imports", "-c", made)
        return email

    def client(self, email: str = EMAIL) -> httpx.Client:
        key = self.manage("create_api_key", email, "test")
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.origin, headers=headers, timeout=20)

    def family(self) -> list[psutil.Process]:
        """Every process below the supervisor."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def service(self, name: str) -> psutil.Process:
        """The living process of one service, as the supervisor announced it."""

        def latest() -> int:
            return int(re.findall(rf"^{name} +\| pid (\d+)$", self.log, re.MULTILINE)[-1])

        self.wait_until(lambda: psutil.pid_exists(latest()), 20)
        return psutil.Process(latest())

    def wait_until(self, condition: Callable[[], bool], timeout_s: float = START_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, self.log[-4000:]
            time.sleep(0.05)

    def _has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None


def submit(client: httpx.Client, seed: int, **fields: str) -> str:
    """Upload one picture of its own; the detection's id."""
    files = {"image": (f"{seed}.jpg", images.jpeg_bytes(seed=seed), "image/jpeg")}
    answer = client.post("/api/v1/detections", data=fields, files=files)
    assert answer.status_code in {200, 202}, answer.text
    return answer.json()["id"]


def status(client: httpx.Client, detection_id: str) -> str:
    return client.get(f"/api/v1/detections/{detection_id}").json()["status"]
