"""Whether a worker is alive: what a container's health check says, and whom it ends."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deepfake_site import pulse

ROOT = Path(__file__).parents[2]


def check(file: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-I", "deepfake_site/pulse.py", *arguments],
        cwd=ROOT,
        env={pulse.VARIABLE: str(file)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def worker(tmp_path):
    """A process, and a file that says it worked a minute ago."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    file = tmp_path / "pulse"
    file.write_text(str(process.pid))
    os.utime(file, (time.time() - 60,) * 2)
    yield process, file
    process.kill()
    process.wait()


def test_one_that_gave_a_sign_is_alive(tmp_path):
    file = tmp_path / "pulse"
    pulse.beat(file)
    assert file.read_text() == str(os.getpid())
    assert check(file, "--end").returncode == 0


def test_one_that_is_silent_is_said_and_left(worker):
    process, file = worker
    asked = check(file)
    assert (asked.returncode, asked.stderr) == (1, "the worker is silent\n")
    assert process.poll() is None


def test_one_that_is_silent_is_ended_where_that_is_asked_for(worker):
    process, file = worker
    assert check(file, "--end").returncode == 1
    assert process.wait(10) == -9


def test_one_that_never_began_is_not_alive_and_nobody_is_ended(tmp_path):
    assert check(tmp_path / "none", "--end").returncode == 1


def test_another_process_takes_the_file_over(worker):
    _process, file = worker
    pulse.beat(file)
    assert file.read_text() == str(os.getpid())
    assert time.time() - pulse.last_at(file) < 10


def test_without_a_file_to_look_at_it_says_so():
    asked = subprocess.run(
        [sys.executable, "-I", "deepfake_site/pulse.py"],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 2
    assert f"{pulse.VARIABLE} is not set" in asked.stderr
