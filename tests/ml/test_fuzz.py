"""Random damage to honest files: the header and the decoder give an answer of those they promise.

UNMASK_FUZZ_EXAMPLES says how many are tried; a night's run takes tens of thousands.
"""

import io
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml.errors import UnreadableImage
from ml.header import read_header
from tests.hostile import FORMATS
from tests.ml.conftest import Decode

EXAMPLES = int(os.environ.get("UNMASK_FUZZ_EXAMPLES", "60"))
SEEDS = {name: build() for name, build in FORMATS.items()}
OUR_FAULT = {"decoder_crashed", "decoder_timeout"}


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """One of the seeds, with bytes changed, taken out, put in, or moved from another place."""
    data = bytearray(SEEDS[draw(st.sampled_from(sorted(SEEDS)))])
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(0, 64))
        kind = draw(st.sampled_from(("change", "take out", "put in", "move", "number")))
        if kind == "take out":
            del data[at : at + length]
        elif kind == "move":
            place = draw(st.integers(0, len(data)))
            data[place:place] = data[at : at + length]
        elif kind == "number":
            size = draw(st.sampled_from((1, 2, 4)))
            value = draw(st.sampled_from((0, 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)))
            data[at : at + size] = value.to_bytes(size, draw(st.sampled_from(("big", "little"))))
        else:
            new = draw(st.binary(min_size=1, max_size=64))
            data[at : at + (len(new) if kind == "change" else 0)] = new
    return bytes(data)


@settings(max_examples=10 * EXAMPLES, deadline=None)
@given(damaged())
def test_a_header_is_read_or_refused(data: bytes):
    try:
        header = read_header(io.BytesIO(data))
    except UnreadableImage:
        return
    assert header.width >= 0
    assert header.height >= 0


@pytest.mark.usefixtures("decoder")
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=damaged())
def test_decoding_ends_with_pixels_or_a_code(decode: Decode, data: bytes):
    try:
        code, shape = "", decode(data).pixels.shape
    except UnreadableImage as refusal:
        code, shape = refusal.code, (1, 1, 3)
    assert code not in OUR_FAULT
    assert shape[2] == 3
