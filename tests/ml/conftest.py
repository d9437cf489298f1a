"""A decoder of each module's own, and ways to ask it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ml.decoder import Decoded, Decoder, DecoderLimits
from tests import images
from tests.ml.misbehaving_decoder import commanded

Decode = Callable[..., Decoded]


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
