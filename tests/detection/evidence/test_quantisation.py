"""Tables are read as the file states them, and damaged files end in None."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detection.evidence.quantisation import luminance_table, quality_of, standard_table
from tests import images


def _file(folder: Path, data: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
@pytest.mark.parametrize("quality", [30, 75, 95])
def test_it_reads_what_the_library_wrote(tmp_path, quality, options):
    path = _file(tmp_path, images.jpeg_bytes(quality=quality, **options))
    assert np.array_equal(luminance_table(path), standard_table(quality))


def test_a_table_of_somebodys_own_keeps_its_order(tmp_path):
    own = [[n + 1 for n in range(64)], [n + 2 for n in range(64)]]
    path = _file(tmp_path, images.jpeg_bytes(qtables=own))
    with Image.open(path, formats=["JPEG"]) as image:
        written = image.quantization[0]
    assert luminance_table(path).ravel().tolist() == list(written)
    assert quality_of(luminance_table(path)) is None


def test_a_standard_table_names_its_quality():
    assert quality_of(standard_table(83)) == 83


def test_grey_and_many_large_segments_before_the_tables_are_read(tmp_path):
    data = images.grey_jpeg()
    padded = data[:2] + (b"\xff\xe1\xff\xff" + bytes(65533)) * 40 + b"\xff\xff" + data[2:]
    assert luminance_table(_file(tmp_path, padded)) is not None


def _damaged() -> list[bytes]:
    data = images.jpeg_bytes(64, 64)
    at = data.index(b"\xff\xdb")
    return [
        b"",
        b"\xff",
        b"\xff\xd8",
        data[: at + 3],
        data[: at + 40],
        data[: at + 2] + b"\x00\x00" + data[at + 4 :],
        data[: at + 2] + b"\xff\xff" + data[at + 4 : at + 90],
        data.replace(b"\xff\xdb", b"\xff\xe5"),
        b"\xff\xd8" + b"\xff\x01" * 10_000,
        images.png_bytes(20, 20),
    ]


@pytest.mark.parametrize("number", range(10))
def test_what_is_damaged_or_no_jpeg_has_none(tmp_path, number):
    assert luminance_table(_file(tmp_path, _damaged()[number])) is None
