"""One command keeps its children running, and leaves none behind."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30


class Supervised:
    """A supervisor in a process of its own, and what it prints."""

    def __init__(self, services: str, folder: Path) -> None:
        program = textwrap.dedent(
            """
            import os, signal, subprocess, sys, time
            from deepfake_site import supervisor
            from deepfake_site.supervisor import Service, Supervisor
            supervisor.RESTART_PAUSES_S = (0.1, 0.1, 5)
            supervisor.STOP_PATIENCE_S = 0.5
            supervisor.POLL_S = 0.02
            SLEEP = [sys.executable, "-c", "import time; time.sleep(300)"]
            """
        )
        program += textwrap.dedent(services)
        program += textwrap.dedent(
            """
            desk = Supervisor(SERVICES)
            desk.start()
            print("started", flush=True)
            desk.watch()
            desk.stop()
            print("stopped", flush=True)
            """
        )
        self.output = folder / "output"
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.seen: set[int] = set()

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, pattern: str, times: int = 1) -> list[str]:
        """What the pattern matched, once it did so often."""
        return _until(lambda: f if len(f := re.findall(pattern, self.text())) >= times else None)

    def pids(self, name: str, times: int = 1) -> list[int]:
        pids = [int(pid) for pid in self.wait_for(rf"(?m)^{name} +\| pid (\d+)$", times)]
        self.seen |= set(pids)
        return pids

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        for child in psutil.Process(self.process.pid).children(recursive=True):
            self.seen.add(child.pid)
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def orphans(self) -> list[int]:
        """Processes it started that still run, after a moment for the kernel."""
        end = time.monotonic() + 5
        while (alive := [pid for pid in self.seen if _runs(pid)]) and time.monotonic() < end:
            time.sleep(0.05)
        return alive


def _until(condition: Callable[[], object]) -> list:
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.03)
    return found  # type: ignore[return-value]


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[[str], Supervised]]:
    started: list[Supervised] = []

    def start(services: str) -> Supervised:
        started.append(Supervised(services, tmp_path))
        started[-1].wait_for("started")
        return started[-1]

    yield start
    for desk in started:
        if desk.process.poll() is None:
            desk.stop(signal.SIGTERM)


def test_lines_are_prefixed_with_the_childs_name(supervise):
    desk = supervise(
        """
        def talk():
            print("one\\ntwo")
            time.sleep(300)
        SERVICES = [Service("talker", talk), Service("x", SLEEP)]
        """
    )
    assert desk.wait_for(r"(?m)^talker \| (one|two)$", 2) == ["one", "two"]
    desk.pids("x")


def test_half_a_line_waits_for_its_other_half(supervise):
    desk = supervise(
        """
        def talk():
            for part in ("ha", "lf", "\\n"):
                os.write(1, part.encode())
                time.sleep(0.2)
            time.sleep(300)
        SERVICES = [Service("talker", talk)]
        """
    )
    assert desk.wait_for(r"(?m)^talker \| half$")


def test_a_child_that_dies_is_started_again(supervise):
    desk = supervise('SERVICES = [Service("one", SLEEP), Service("two", SLEEP)]')
    (first,), (other,) = desk.pids("one"), desk.pids("two")
    os.kill(first, signal.SIGKILL)
    assert desk.wait_for("ended with signal 9")
    second = desk.pids("one", 2)[1]
    assert second != first
    assert _runs(second)
    assert _runs(other)


def test_a_child_that_keeps_dying_is_started_ever_more_slowly(supervise):
    desk = supervise('SERVICES = [Service("bad", lambda: sys.exit(7)), Service("good", SLEEP)]')
    pauses = desk.wait_for(r"ended with status 7; starting it again in ([\d.]+) s", 3)
    assert pauses[:3] == ["0.1", "0.1", "5"]


def test_an_error_in_a_child_is_printed_and_stays_there(supervise):
    desk = supervise(
        """
        def fail():
            raise LookupError("no such thing")
        SERVICES = [Service("bad", fail), Service("good", SLEEP)]
        """
    )
    assert desk.wait_for(r"(?m)^bad  \| LookupError: no such thing$")
    assert _runs(desk.pids("good")[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_in_order(supervise, number):
    desk = supervise('SERVICES = [Service("one", SLEEP), Service("two", SLEEP)]')
    desk.pids("one"), desk.pids("two")
    assert desk.stop(number) == 0
    assert "stopped" in desk.text()
    assert desk.orphans() == []


def test_what_a_child_started_ends_with_it(supervise):
    desk = supervise(
        """
        def parent():
            print("grandchild", subprocess.Popen(SLEEP).pid)
            time.sleep(300)
        SERVICES = [Service("parent", parent)]
        """
    )
    grandchild = int(desk.wait_for(r"grandchild (\d+)")[0])
    desk.seen.add(grandchild)
    desk.stop()
    assert desk.orphans() == []


def test_a_child_that_does_not_listen_is_ended(supervise):
    desk = supervise(
        """
        def deaf():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print("deaf")
            time.sleep(300)
        SERVICES = [Service("deaf", deaf)]
        """
    )
    desk.wait_for(r"\| deaf")
    assert desk.stop() == 0
    assert "does not stop; ending it" in desk.text()
    assert desk.orphans() == []


def test_what_others_lean_on_ends_last(supervise):
    desk = supervise(
        """
        def child(name, pause):
            def run():
                def bye(*_):
                    time.sleep(pause)
                    print("bye", name)
                    sys.exit(0)
                signal.signal(signal.SIGTERM, bye)
                print("ready", name)
                time.sleep(300)
            return run
        SERVICES = [
            Service("broker", child("broker", 0), is_leaned_on=True),
            Service("worker", child("worker", 0.2)),
        ]
        """
    )
    desk.wait_for(r"ready (\w+)", 2)
    desk.stop()
    assert re.findall(r"bye (\w+)", desk.text()) == ["worker", "broker"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_killed_supervisor_leaves_no_orphan(supervise):
    desk = supervise('SERVICES = [Service("one", SLEEP), Service("two", lambda: time.sleep(300))]')
    desk.pids("one"), desk.pids("two")
    desk.process.kill()
    desk.process.wait()
    assert desk.orphans() == []


def test_a_child_inherits_no_input(supervise):
    desk = supervise(
        """
        def ask():
            print("read", repr(sys.stdin.read()) if sys.stdin else "nothing")
            time.sleep(300)
        SERVICES = [Service("asker", ask)]
        """
    )
    assert desk.wait_for(r"read ('')")


def test_a_child_that_gives_no_sign_is_started_anew(supervise, tmp_path):
    desk = supervise(
        f"""
        from pathlib import Path
        from deepfake_site import pulse
        pulse.SILENT_AFTER_S = 2.0
        folder = Path({str(tmp_path)!r})
        def beats():
            while True:
                pulse.beat(folder / "lively")
                time.sleep(0.1)
        SERVICES = [
            Service("silent", SLEEP, pulse=folder / "silent"),
            Service("lively", beats, pulse=folder / "lively"),
        ]
        """
    )
    first, second = desk.pids("silent", 2)[:2]
    assert first != second
    assert "has given no sign for 2 s; ending it" in desk.text()
    assert len(desk.pids("lively")) == 1
