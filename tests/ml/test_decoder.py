"""ml.decoder: hostile bytes in, plain pixels and facts out."""

import ast
import gc
import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from ml.decoder import MIN_SIDE, Decoded, Decoder, DecoderLimits, check_libraries, libraries, wire
from ml.decoder import process as decoder_process
from ml.errors import DecoderUnavailable, UnreadableImage
from tests import images
from tests.ml.misbehaving_decoder import ALLOWED_ENVIRONMENT, commanded

REPOSITORY = Path(__file__).parents[2]
Decode = Callable[..., Decoded]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="seccomp and /proc are Linux")


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as shared:
        yield shared


@pytest.fixture
def decode(decoder: Decoder, tmp_path: Path) -> Decode:
    """Decode bytes through a file."""

    def of(data: bytes, **options: int) -> Decoded:
        path = tmp_path / "image"
        path.write_bytes(data)
        return decoder.decode(path, **options)

    return of


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo"
    path.write_bytes(images.jpeg_bytes())
    return path


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Decoded]]:
    """Have a decoder with these limits carry out a command instead of decoding."""
    opened: list[Decoder] = []

    def carry_out(name: str, **limits: float) -> Decoded:
        opened.append(Decoder(DecoderLimits(**limits), module="tests.ml.misbehaving_decoder"))
        path = tmp_path / "commanded"
        path.write_bytes(commanded(images.jpeg_bytes(), name))
        return opened[-1].decode(path)

    yield carry_out
    for each in opened:
        each.close()


def code_of(decode: Decode, data: bytes) -> str:
    """How decoding ends."""
    try:
        decode(data)
    except UnreadableImage as error:
        return error.code
    return "decoded"


def colour_at(pixels: np.ndarray, x: float, y: float) -> tuple[int, ...]:
    height, width = pixels.shape[:2]
    return tuple(int(v) for v in pixels[int(y * height), int(x * width)])


def near(colour: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 12) -> bool:
    return max(abs(a - b) for a, b in zip(colour, expected, strict=True)) <= tolerance


def upright(pixels: np.ndarray) -> bool:
    """The quarters of `images.corners` are where they belong."""
    return (
        near(colour_at(pixels, 0.25, 0.25), (255, 0, 0))
        and near(colour_at(pixels, 0.75, 0.25), (0, 255, 0))
        and near(colour_at(pixels, 0.25, 0.75), (0, 0, 255))
        and near(colour_at(pixels, 0.75, 0.75), (255, 255, 255))
    )


# --- what it returns


@pytest.mark.parametrize("name", images.ACCEPTED)
def test_it_decodes_to_rgb(decode, name):
    decoded = decode(images.ACCEPTED[name]())
    height, width = decoded.pixels.shape[:2]
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.shape == (height, width, 3)
    assert (decoded.facts.width, decoded.facts.height) == (width, height)
    assert decoded.pixels.std() > 1


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF"])
def test_it_gives_the_same_pixels_as_pillow(decode, name):
    data = images.encode(images.photo_like(), name)
    with Image.open(io.BytesIO(data)) as expected:
        assert np.array_equal(decode(data).pixels, np.asarray(expected.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_it_applies_the_orientation(decode, name, orientation):
    decoded = decode(images.with_orientation(orientation, name))
    assert decoded.facts.orientation == orientation
    assert decoded.pixels.shape == (60, 80, 3)
    assert (decoded.facts.width, decoded.facts.height) == (80, 60)
    assert upright(decoded.pixels)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_impossible_orientation_counts_as_upright(decode, orientation):
    decoded = decode(images.with_orientation(orientation))
    assert decoded.facts.orientation == 1
    assert upright(decoded.pixels)


def test_it_turns_heic_once(decode):
    assert upright(decode(images.with_orientation(6, "HEIF")).pixels)


def test_it_turns_avif_once(decode):
    assert upright(decode(images.with_orientation(6, "AVIF")).pixels)


@pytest.mark.parametrize("name", ["grey16_png", "rgb16_png", "rgba16_png"])
def test_it_scales_sixteen_bits_instead_of_clipping(decode, name):
    decoded = decode(images.ACCEPTED[name]())
    assert decoded.facts.bits == 16
    ramp = decoded.pixels[0, :, 0].astype(int)
    assert np.abs(ramp - np.arange(256)).max() <= 1
    assert not decoded.facts.has_transparency


@pytest.mark.parametrize(
    ("name", "transparent"),
    [
        ("rgba_png", True),
        ("la_png", True),
        ("transparent_palette_png", True),
        ("keyed_rgb_png", True),
        ("transparent_gif", True),
        ("transparent_webp", True),
        ("grey16_png_transparent", True),
        ("palette_png", False),
        ("animated_gif", False),
        ("png", False),
    ],
)
def test_it_says_what_was_transparent(decode, name, transparent):
    assert decode(images.ACCEPTED[name]()).facts.has_transparency is transparent


def test_an_alpha_channel_that_hides_nothing_is_not_transparency(decode):
    assert not decode(images.opaque_rgba_png()).facts.has_transparency


def test_it_flattens_on_white(decode):
    pixels = decode(images.rgba_png(alpha=0)).pixels
    assert colour_at(pixels, 0.25, 0.5) == (255, 255, 255)
    assert colour_at(pixels, 0.75, 0.5) == (255, 0, 0)
    half = decode(images.rgba_png(alpha=128)).pixels
    assert near(colour_at(half, 0.25, 0.5), (255, 127, 127), 2)


def test_a_transparent_palette_colour_becomes_white(decode):
    pixels = decode(images.transparent_palette_png()).pixels
    assert colour_at(pixels, 0.25, 0.25) == (255, 255, 255)
    assert colour_at(pixels, 0.25, 0.75) == (0, 0, 255)


def test_it_does_not_invert_cmyk(decode):
    with Image.open(io.BytesIO(images.jpeg_bytes(quality=95))) as expected:
        difference = decode(images.cmyk_jpeg()).pixels.astype(int) - np.asarray(expected)
    assert np.abs(difference).mean() < 6


def test_it_converts_by_the_profile(decode):
    pixels = decode(images.icc_jpeg(images.swapped_profile())).pixels
    assert near(colour_at(pixels, 0.25, 0.25), (0, 255, 0), 40)
    assert near(colour_at(pixels, 0.75, 0.25), (255, 0, 0), 40)


def test_it_leaves_srgb_alone(decode):
    decoded = decode(images.icc_jpeg())
    assert decoded.facts.icc
    plain = decode(images.encode(images.corners(), "JPEG", quality=95))
    assert np.array_equal(decoded.pixels, plain.pixels)


def test_a_useless_profile_is_ignored(decode):
    decoded = decode(images.icc_jpeg(b"not a profile" * 20))
    assert upright(decoded.pixels)


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "AVIF"])
def test_it_judges_the_first_frame_and_counts_them(decode, name):
    decoded = decode(images.animated(name, frames=7))
    assert decoded.facts.frames == 7
    difference = decoded.pixels.astype(int) - np.asarray(images.photo_like(96, 64, seed=0))
    assert np.abs(difference).mean() < 10


def test_it_reads_the_first_image_of_an_mpo(decode):
    decoded = decode(images.mpo_bytes(3))
    assert (decoded.facts.format, decoded.facts.frames) == ("MPO", 3)
    assert decoded.facts.trailing_bytes == 0


@pytest.mark.parametrize(
    "build",
    [
        images.jpeg_bytes,
        images.ACCEPTED["progressive_jpeg"],
        images.gps_jpeg,
        images.mpo_bytes,
        images.png_bytes,
        images.ACCEPTED["apng"],
        images.gif_bytes,
        images.ACCEPTED["animated_gif"],
        images.webp_bytes,
        images.heic_bytes,
        images.avif_bytes,
    ],
)
def test_it_counts_the_bytes_after_the_end(decode, build):
    assert decode(build()).facts.trailing_bytes == 0
    assert (
        decode(images.with_trailing(build(), b"\x00SECRET\xff\xd9 tail")).facts.trailing_bytes == 14
    )


def test_it_keeps_a_bounded_part_of_the_metadata(decode):
    metadata = decode(images.gps_jpeg()).facts.metadata
    assert metadata["exif"]["Model"] == "Model 5"
    assert metadata["exif"]["DateTimeOriginal"] == "2024:05:06 07:08:09"
    assert metadata["gps"] == {"latitude": 48.858333, "longitude": 2.294444}


def test_metadata_is_one_line_of_text(decode):
    metadata = decode(images.injecting_jpeg()).facts.metadata
    assert metadata["exif"]["Artist"] == "=HYPERLINK(1)  Set-Cookie: a=b"
    assert metadata["text"]["comment"] == "<b>comment</b>[31m"


def test_long_metadata_is_cut(decode):
    exif = Image.Exif()
    exif[0x010E] = "x" * 50_000
    data = images.encode(images.photo_like(64, 48), "JPEG", exif=exif.tobytes())
    assert len(decode(data).facts.metadata["exif"]["ImageDescription"]) == 300


def test_it_keeps_the_prompt_of_a_generator(decode):
    text = decode(images.png_with_prompt()).facts.metadata["text"]
    assert text["parameters"].startswith("a portrait")


def test_damaged_metadata_is_a_finding_not_a_refusal(decode):
    assert decode(images.damaged_exif_jpeg()).facts.metadata == {"exif_damaged": True}


def test_a_large_jpeg_may_come_smaller_but_not_below_the_side(decode):
    data = images.jpeg_bytes(2600, 2100)
    decoded = decode(data, min_side=MIN_SIDE)
    assert decoded.pixels.shape == (1050, 1300, 3)
    assert (decoded.facts.width, decoded.facts.height) == (2600, 2100)
    assert np.array_equal(decoded.pixels, decode(data, min_side=MIN_SIDE).pixels)
    assert decode(images.jpeg_bytes(2600, 2040), min_side=MIN_SIDE).pixels.shape[1] == 2600
    assert decode(data).pixels.shape == (2100, 2600, 3)


# --- what it refuses


@pytest.mark.parametrize("name", images.REFUSED | images.BROKEN)
def test_it_fails_with_the_code(decode, name):
    build, code = (images.REFUSED | images.BROKEN)[name]
    assert code_of(decode, build()) == code


def test_bit_rot_ends_in_pixels_or_a_code(decode):
    codes = set()
    for name in ("jpeg", "png", "webp", "gif", "heic", "avif"):
        data = images.ACCEPTED[name]()
        codes |= {code_of(decode, images.bit_flipped(data, 20, seed, 16)) for seed in range(12)}
    assert codes <= {
        "decoded",
        "corrupt",
        "truncated",
        "unsupported_format",
        "too_many_pixels",
        "decoder_memory",
    }
    assert {"decoded", "corrupt"} <= codes


def test_it_opens_regular_files_only(decoder, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, Path("/dev/zero")):
        with pytest.raises(UnreadableImage, match="not a regular file"):
            decoder.decode(path)


def test_a_missing_file_is_not_an_unreadable_image(decoder, tmp_path):
    with pytest.raises(FileNotFoundError):
        decoder.decode(tmp_path / "nothing")


def test_every_open_in_the_product_names_its_formats():
    """An `Image.open` without `formats` would try forty parsers, Ghostscript's among them."""
    folders = ("ml", "client", "detection", "accounts", "deepfake_site", "benchmarks")
    calls = [
        (path, node)
        for folder in folders
        for path in (REPOSITORY / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Image.open")
    ]
    assert len(calls) >= 1
    for path, node in calls:
        assert "formats" in {keyword.arg for keyword in node.keywords}, f"{path}:{node.lineno}"


# --- how it holds


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "side", "mode"),
    [
        ("JPEG", 8000, "RGB"),
        ("JPEG", 8000, "CMYK"),
        ("PNG", 8000, "RGBA"),
        ("WEBP", 6324, "RGB"),
        ("GIF", 6324, "P"),
        ("AVIF", 6324, "RGB"),
        ("HEIF", 6324, "RGB"),
    ],
)
def test_the_largest_image_fits_the_limits(decode, name, side, mode):
    tile = images.photo_like(800, 800).resize((side, side), Image.Resampling.NEAREST)
    options = {"AVIF": {"speed": 10}, "WEBP": {"method": 0}, "PNG": {"compress_level": 1}}
    data = images.encode(tile.convert(mode), name, **options.get(name, {}))
    assert decode(data).pixels.shape == (side, side, 3)
