"""ml.decoder: hostile bytes in, plain pixels and facts out."""

import ast
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.decoder import MIN_SIDE
from ml.errors import UnreadableImage
from tests import images
from tests.ml.conftest import Decode

REPOSITORY = Path(__file__).parents[2]


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
    options = {
        "AVIF": {"speed": 10},
        "HEIF": {"enc_params": {"preset": "ultrafast"}},
        "WEBP": {"method": 0},
        "PNG": {"compress_level": 1},
    }
    data = images.encode(tile.convert(mode), name, **options.get(name, {}))
    assert decode(data).pixels.shape == (side, side, 3)
