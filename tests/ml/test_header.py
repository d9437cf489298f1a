"""ml.header: what a file is, from its first bytes."""

import io
import struct
import time

import pytest

from ml.errors import UnreadableImage
from ml.header import ACCEPTED_MEDIA_TYPES, MAX_PIXELS, ImageHeader, check_pixels, read_header
from tests import images


def code_of(data: bytes) -> str:
    """How reading the header ends."""
    try:
        read_header(io.BytesIO(data))
    except UnreadableImage as error:
        return error.code
    return "accepted"


class CountingStream(io.BytesIO):
    """Counts the bytes that are read."""

    total = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.total += len(data)
        return data


@pytest.mark.parametrize("name", images.ACCEPTED)
def test_it_accepts_and_measures(name):
    header = read_header(io.BytesIO(images.ACCEPTED[name]()))
    assert header.media_type in ACCEPTED_MEDIA_TYPES
    assert header.width >= 60
    assert header.height >= 16
    check_pixels(header)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (images.jpeg_bytes(321, 123), ("JPEG", 321, 123, "image/jpeg")),
        (images.jpeg_bytes(321, 123, progressive=True), ("JPEG", 321, 123, "image/jpeg")),
        (images.png_bytes(321, 123), ("PNG", 321, 123, "image/png")),
        (images.gif_bytes(321, 123), ("GIF", 321, 123, "image/gif")),
        (images.webp_bytes(321, 123), ("WEBP", 321, 123, "image/webp")),
        (images.webp_bytes(321, 123, lossless=True), ("WEBP", 321, 123, "image/webp")),
        (images.webp_bytes(321, 123, exif=b"Exif\0\0"), ("WEBP", 321, 123, "image/webp")),
        (images.heic_bytes(322, 124), ("HEIC", 322, 124, "image/heic")),
        (images.avif_bytes(321, 123), ("AVIF", 321, 123, "image/avif")),
    ],
)
def test_it_reads_format_and_size(data, expected):
    assert read_header(io.BytesIO(data)) == ImageHeader(*expected)


@pytest.mark.parametrize("name", images.REFUSED)
def test_it_refuses_with_the_code(name):
    build, code = images.REFUSED[name]
    with pytest.raises(UnreadableImage) as refusal:
        check_pixels(read_header(io.BytesIO(build())))
    assert refusal.value.code == code
    assert refusal.value.detail


@pytest.mark.parametrize("name", images.BROKEN)
def test_it_leaves_damage_behind_the_header_to_the_decoder(name):
    assert read_header(io.BytesIO(images.BROKEN[name][0]()))


def test_the_limit_names_value_and_bound():
    with pytest.raises(UnreadableImage, match=r"65535 × 65535 .* 64 megapixels"):
        check_pixels(read_header(io.BytesIO(images.huge_jpeg_header())))


@pytest.mark.parametrize("name", MAX_PIXELS)
def test_the_limit_itself_is_allowed_and_one_row_more_is_not(name):
    side = 8000 if MAX_PIXELS[name] == 64_000_000 else 5000
    other = MAX_PIXELS[name] // side
    check_pixels(ImageHeader(name, side, other, "image/x"))
    with pytest.raises(UnreadableImage):
        check_pixels(ImageHeader(name, side, other + 1, "image/x"))


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "webp", "heic", "avif"])
def test_any_cut_of_the_header_is_an_error_with_a_code(name):
    data = images.ACCEPTED[name]()
    codes = {code_of(data[:length]) for length in range(1, 400)}
    assert codes <= {"unsupported_format", "corrupt", "accepted"}
    assert {"unsupported_format", "corrupt"} & codes


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "webp", "heic", "avif", "mpo"])
def test_any_damage_is_a_header_or_an_error_with_a_code(name):
    data = images.ACCEPTED[name]()[:1000]
    codes = {code_of(images.bit_flipped(data, 10, seed, after=4)) for seed in range(200)}
    assert codes <= {"unsupported_format", "corrupt", "accepted"}
    assert len(codes) > 1


def test_it_skips_large_segments_without_reading_them():
    segment = b"\xff\xe2" + struct.pack(">H", 65535) + bytes(65533)
    plain = images.jpeg_bytes()
    stream = CountingStream(plain[:2] + segment * 200 + plain[2:])
    assert read_header(stream).width == 320
    assert stream.total < 4000


def test_endless_segments_end():
    stream = io.BytesIO(b"\xff\xd8" + b"\xff\xe2\x00\x02" * 1_000_000)
    started = time.monotonic()
    with pytest.raises(UnreadableImage, match="no frame header"):
        read_header(stream)
    assert time.monotonic() - started < 0.3


def test_endless_fill_bytes_end():
    stream = CountingStream(b"\xff\xd8" + b"\xff" * 5_000_000)
    with pytest.raises(UnreadableImage, match="corrupt"):
        read_header(stream)
    assert stream.total < 3000


def test_a_description_that_claims_gigabytes_is_not_read():
    head = struct.pack(">I", 20) + b"ftypavif" + bytes(4) + b"avif"
    stream = CountingStream(head + struct.pack(">I4s", 0x7FFFFFFF, b"meta") + bytes(1000))
    with pytest.raises(UnreadableImage, match="corrupt"):
        read_header(stream)
    assert stream.total < 200


def test_a_generic_brand_is_settled_by_the_compatible_ones():
    data = images.avif_bytes()
    assert data[8:12] == b"avif"
    assert read_header(io.BytesIO(data[:8] + b"mif1" + data[12:])).format == "AVIF"


def test_a_heic_of_tracks_alone_is_a_video():
    data = struct.pack(">I", 24) + b"ftyphevc" + bytes(4) + b"hevcmsf1"
    with pytest.raises(UnreadableImage, match="no still image"):
        read_header(io.BytesIO(data + struct.pack(">I4s", 16, b"moov") + bytes(8)))
