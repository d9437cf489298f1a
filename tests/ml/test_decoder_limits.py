"""What the decoder's process may use and reach, and what is believed of what it says."""

import json
import logging
import socket
import sys
import tempfile
import time

import pytest
from PIL import Image

from ml.decoder import Decoder, DecoderLimits, check_libraries, libraries, wire
from ml.decoder import process as decoder_process
from ml.errors import DecoderUnavailable, UnreadableImage
from tests import images

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="seccomp and /proc are Linux")


@pytest.mark.parametrize("name", ["crash", "segfault", "vanish", "surprise"])
def test_a_crash_of_the_decoder_is_one_failed_image(command, name):
    with pytest.raises(UnreadableImage) as failure:
        command(name)
    assert failure.value.code == "decoder_crashed"


def test_too_much_memory_is_refused(command):
    with pytest.raises(UnreadableImage) as failure:
        command("memory", memory_bytes=600 << 20)
    assert failure.value.code == "decoder_memory"


def test_an_image_that_needs_more_memory_than_allowed_is_refused(photo, tmp_path):
    large = tmp_path / "large.png"
    large.write_bytes(images.encode(Image.new("RGB", (4000, 3000), "red"), "PNG"))
    with Decoder(DecoderLimits(memory_bytes=170 << 20)) as small, Decoder() as normal:
        assert normal.decode(large).pixels.shape == (3000, 4000, 3)
        assert small.decode(photo).pixels.shape == (240, 320, 3)
        with pytest.raises(UnreadableImage) as failure:
            small.decode(large)
    assert failure.value.code == "decoder_memory"


@pytest.mark.parametrize(
    ("name", "limits"), [("sleep", {"wall_s": 0.3}), ("spin", {"wall_s": 8, "cpu_s": 1})]
)
def test_too_much_time_is_refused(command, name, limits):
    started = time.monotonic()
    with pytest.raises(UnreadableImage) as failure:
        command(name, **limits)
    assert failure.value.code == "decoder_timeout"
    assert time.monotonic() - started < 5


def test_too_much_output_is_refused(photo):
    with (
        Decoder(DecoderLimits(output_bytes=100_000)) as small,
        pytest.raises(UnreadableImage) as failure,
    ):
        small.decode(photo)
    assert failure.value.code == "decoder_crashed"


FACTS = {"format": "PNG", "width": 2, "height": 1, "mode": "RGB"}


@pytest.mark.parametrize(
    ("message", "pixels"),
    [
        (b"", b""),
        (b"[]", b""),
        (b"not json", b""),
        (b'{"code": "made_up", "detail": ""}', b""),
        (b'{"shape": [1, 2]}', b"P6\n2 1\n255\n123456"),
        ({"shape": [1, 2], "facts": FACTS | {"more": 1}}, b"P6\n2 1\n255\n123456"),
        ({"shape": [1, 2], "facts": FACTS}, b"P6\n2 1\n255\n12345"),
        ({"shape": [1, 2], "facts": FACTS}, b"P6\n2 1\n255\n1234567"),
        ({"shape": [-1, -2], "facts": FACTS}, b"P6\n-2 -1\n255\n123456"),
        ({"shape": [10**6, 10**6], "facts": FACTS}, b""),
        ({"shape": "ab", "facts": FACTS}, b""),
    ],
)
def test_nonsense_from_a_captured_decoder_is_a_crash(message, pixels):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    with tempfile.TemporaryFile() as file:
        file.write(wire.HEAD.pack(len(body)) + body + pixels)
        file.flush()
        with pytest.raises(UnreadableImage) as failure:
            decoder_process._result(file.fileno())
    assert failure.value.code == "decoder_crashed"


def test_sense_from_the_decoder_is_read():
    body = json.dumps({"shape": [1, 2], "facts": FACTS}).encode()
    with tempfile.TemporaryFile() as file:
        file.write(wire.HEAD.pack(len(body)) + body + b"P6\n2 1\n255\n123456")
        file.flush()
        assert decoder_process._result(file.fileno()).pixels.tobytes() == b"123456"


def test_a_reader_that_ends_at_once_was_told_all_the_same(monkeypatch):
    """A small image is decoded before its sender wakes again: it must not be given out twice."""
    ours, theirs = socket.socketpair()
    send_fds = socket.send_fds

    def send_and_lose_the_reader(*arguments: object) -> int:
        sent = send_fds(*arguments)
        theirs.close()
        return sent

    monkeypatch.setattr(socket, "send_fds", send_and_lose_the_reader)
    with ours, open(__file__, "rb") as file:
        wire.send(ours, {"min_side": None}, [file.fileno()])


@linux_only
def test_the_decoder_reaches_nothing(command):
    """It tries files, sockets, programs, processes and its environment; each is refused."""
    assert command("escape").pixels.shape == (240, 320, 3)


def test_the_libraries_in_use_are_new_enough():
    assert set(check_libraries()) >= set(libraries.FLOORS)


@pytest.mark.parametrize("library", libraries.FLOORS)
def test_a_library_below_its_floor_stops_the_start(library):
    versions = dict(libraries.FLOORS) | {library: "1.0.15"}
    with pytest.raises(
        DecoderUnavailable, match=f"{library} is 1.0.15, the oldest accepted"
    ) as old:
        libraries.refuse_old(versions)
    assert old.value.code == "library_too_old"


def test_a_missing_filter_is_logged_once(caplog):
    decoder_process._warned.clear()
    with caplog.at_level(logging.WARNING):
        decoder_process._warn_unfiltered("no seccomp on darwin")
        decoder_process._warn_unfiltered("no seccomp on darwin")
    assert len(caplog.records) == 1
    assert "WITHOUT a system call filter" in caplog.text
