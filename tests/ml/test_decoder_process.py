"""The decoder's process: killed, shared, interrupted, forked, and gone with its parent."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ml.decoder import Decoder
from ml.errors import DecoderUnavailable, UnreadableImage
from tests import images
from tests.ml.misbehaving_decoder import ALLOWED_ENVIRONMENT, commanded

REPOSITORY = Path(__file__).parents[2]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="seccomp and /proc are Linux")


def test_a_crash_does_not_disturb_the_next_image(photo, tmp_path):
    bad = tmp_path / "bad"
    bad.write_bytes(commanded(images.jpeg_bytes(), "crash"))
    with Decoder(module="tests.ml.misbehaving_decoder") as decoder:
        for _ in range(3):
            with pytest.raises(UnreadableImage):
                decoder.decode(bad)
            assert decoder.decode(photo).pixels.shape == (240, 320, 3)


def test_it_comes_back_after_its_child_was_killed(photo):
    with Decoder() as decoder:
        decoder.decode(photo)
        for _ in range(3):
            child = decoder._child.process
            child.send_signal(signal.SIGKILL)
            child.wait()
            assert decoder.decode(photo).pixels.shape == (240, 320, 3)


def test_a_child_killed_in_the_middle_fails_that_image_alone(photo, tmp_path):
    sleeper = tmp_path / "sleeper"
    sleeper.write_bytes(commanded(images.jpeg_bytes(), "sleep"))
    with Decoder(module="tests.ml.misbehaving_decoder") as decoder:
        decoder.decode(photo)
        killer = threading.Timer(0.3, decoder._child.process.kill)
        killer.start()
        with pytest.raises(UnreadableImage) as failure:
            decoder.decode(sleeper)
        assert failure.value.code == "decoder_crashed"
        assert decoder.decode(photo).pixels.shape == (240, 320, 3)


def test_an_interrupted_wait_does_not_answer_the_next_image(photo, tmp_path):
    """As when Celery's soft time limit or Ctrl-C ends a decode from outside."""

    class SoftLimit(Exception):  # noqa: N818
        pass

    def interrupt(number: int, frame: object) -> None:
        raise SoftLimit

    sleeper = tmp_path / "sleeper"
    sleeper.write_bytes(commanded(images.jpeg_bytes(), "nap"))
    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Decoder(module="tests.ml.misbehaving_decoder") as decoder:
            decoder.decode(photo)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(SoftLimit):
                decoder.decode(sleeper)
            photo.write_bytes(images.jpeg_bytes(64, 48))
            assert decoder.decode(photo).pixels.shape == (48, 64, 3)
    finally:
        signal.signal(signal.SIGALRM, previous)


def test_threads_share_one(decoder, tmp_path):
    sizes = [(100 + 10 * i, 80 + 10 * i) for i in range(8)]
    wrong: list[tuple[int, int]] = []

    def work(width: int, height: int) -> None:
        path = tmp_path / f"{width}"
        path.write_bytes(images.jpeg_bytes(width, height))
        for _ in range(3):
            if decoder.decode(path).pixels.shape != (height, width, 3):
                wrong.append((width, height))

    threads = [threading.Thread(target=work, args=size) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def settled(measure: Callable[[], tuple[int, ...]]) -> tuple[int, ...]:
    """The measurement once it has stood still: the child prepares its next fork unasked."""
    value = measure()
    while True:
        time.sleep(0.2)
        if (again := measure()) == value:
            return value
        value = again


def test_it_leaks_no_descriptor_and_no_process(photo, tmp_path):
    broken = tmp_path / "broken"
    broken.write_bytes(images.truncated(images.jpeg_bytes()))
    me = psutil.Process()
    with Decoder() as decoder:
        kept = [decoder.decode(photo)]
        gc.collect()
        child = psutil.Process(decoder._child.process.pid)
        before = settled(lambda: (me.num_fds(), child.num_fds(), len(child.children())))
        for _ in range(50):
            kept.append(decoder.decode(photo))
            with pytest.raises(UnreadableImage):
                decoder.decode(broken)
        after = settled(lambda: (me.num_fds(), child.num_fds(), len(child.children())))
        assert after == before
        assert after[2] == 1
    assert not child.is_running()


USE_AND_WAIT = """
import sys, time
from pathlib import Path
from ml.decoder import Decoder
decoder = Decoder()
decoder.libraries()
print(decoder._child.process.pid, flush=True)
if len(sys.argv) > 1:
    decoder._module = "tests.ml.misbehaving_decoder"
    decoder.close()
    decoder.start()
    print(decoder._child.process.pid, flush=True)
    decoder.decode(Path(sys.argv[1]))
time.sleep(60)
"""


def started_user(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", USE_AND_WAIT, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )


def ended(process: psutil.Process, within_s: float = 3) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_the_child_ends_with_its_parent():
    with started_user() as user:
        child = psutil.Process(int(user.stdout.readline()))
        user.kill()
    assert ended(child)


def test_child_and_fork_end_with_their_parent_in_the_middle_of_an_image(tmp_path):
    sleeper = tmp_path / "sleeper"
    sleeper.write_bytes(commanded(images.jpeg_bytes(), "sleep"))
    with started_user(str(sleeper)) as user:
        user.stdout.readline()
        child = psutil.Process(int(user.stdout.readline()))
        while not (forks := child.children()):
            time.sleep(0.02)
        time.sleep(0.3)  # one fork sleeps over the image by now
        user.kill()
    assert ended(child)
    assert all(ended(fork) for fork in forks)


def test_a_forked_copy_of_the_user_starts_its_own_child(photo):
    with Decoder() as decoder:
        decoder.decode(photo)
        pid = os.fork()
        if pid == 0:
            ok = decoder._child is None and decoder.decode(photo).pixels.shape == (240, 320, 3)
            decoder.close()
            os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert decoder.decode(photo).pixels.shape == (240, 320, 3)


def test_the_child_gets_no_secret(photo, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "do-not-leak")
    with Decoder() as decoder:
        decoder.decode(photo)
        environment = psutil.Process(decoder._child.process.pid).environ()
    assert "SECRET_KEY" not in environment
    assert set(environment) <= ALLOWED_ENVIRONMENT


def test_a_child_that_never_starts_is_said():
    with (
        Decoder(module="tests.no_such_module") as decoder,
        pytest.raises(DecoderUnavailable) as failure,
    ):
        decoder.libraries()
    assert failure.value.code == "decoder_not_started"
