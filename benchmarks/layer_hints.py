"""How often the layers that mark something are right on real photographs: copied parts and grids.

    python -m benchmarks.layer_hints --data MANIFEST [--limit 100]

Real pictures of the training and validation splits, by source, as they are: what is marked there is
a false alarm, unless the source's own makers saved a part before. Then the same pictures with
something planted whose place is known:

- for `clones`, a square of a fourth of the shorter side, copied elsewhere;
- for `grid`, a square of a half of the shorter side out of another source's picture that was saved
  as JPEG 75, off the grid.

and saved in several ways. A copy is found where a pair has its shift to within two pixels; a square
where half of what is marked lies in it. Prints Markdown, shares in percent with 95 % intervals
(Wilson), and what one drawing costs in processor time.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from detection.evidence.layer import Drawn, NotDrawn, Source
from detection.evidence.methods import draw_layer
from detection.evidence.quantisation import luminance_table
from ml.datasets.manifest import Sample, read_manifest
from ml.metrics import rate

QUALITIES = {"PNG": None, "JPEG 95": 95, "JPEG 85": 85, "JPEG 70": 70}
PUBLISHED = 75
SEED = 4
DETAIL = 6.0  # deviation of the levels in a square worth copying: a plain sky is nobody's forgery


def source_of(path: Path) -> Source:
    with Image.open(path, formats=["JPEG", "PNG", "WEBP"]) as image:
        return Source(np.asarray(image.convert("RGB")), luminance_table(path))


def saved(pixels: np.ndarray, quality: int | None, folder: Path) -> Source:
    """The picture as it is read after it was saved."""
    path = folder / ("one.png" if quality is None else "one.jpg")
    Image.fromarray(pixels).save(path, **({} if quality is None else {"quality": quality}))
    return source_of(path)


def drawn(kind: str, source: Source) -> Drawn | None:
    try:
        return draw_layer(kind, source, 1)
    except NotDrawn:
        return None


def copied(pixels: np.ndarray, drawing: random.Random) -> tuple[np.ndarray, tuple[int, int]] | None:
    """The picture with a square copied, and by how much (right, down); None where all is plain."""
    height, width = pixels.shape[:2]
    side = min(height, width) // 4
    for _ in range(40):
        top, left, to_top, to_left = (
            drawing.randrange(length - side) for length in (height, width, height, width)
        )
        square = pixels[top : top + side, left : left + side]
        is_apart = max(abs(to_top - top), abs(to_left - left)) > 1.2 * side
        if is_apart and square.mean(axis=2).std() > DETAIL:
            forged = pixels.copy()
            forged[to_top : to_top + side, to_left : to_left + side] = square
            return forged, (to_left - left, to_top - top)
    return None


def pasted(
    pixels: np.ndarray, other: np.ndarray, drawing: random.Random
) -> tuple[np.ndarray, tuple[slice, slice]]:
    """The picture with a square of another one, whose blocks begin elsewhere, and its place."""
    side = min(*pixels.shape[:2], *other.shape[:2]) // 2
    top, left = (drawing.randrange(length - side) for length in pixels.shape[:2])
    # where it is taken from, the blocks begin at 0 modulo 8: so it must not land there
    from_top, from_left = ((place + drawing.randrange(2, 7)) % 8 for place in (top, left))
    side -= 8
    forged = pixels.copy()
    place = (slice(top, top + side), slice(left, left + side))
    forged[place] = other[from_top : from_top + side, from_left : from_left + side]
    return forged, place


def has_copy(layer: Drawn | None, shift: tuple[int, int]) -> bool:
    pairs = layer.figures["pairs"] if layer else []
    found = [np.array(pair["shift"]) for pair in pairs]
    return any(np.abs(one * sign - shift).max() <= 2 for one in found for sign in (1, -1))


def has_square(layer: Drawn | None, place: tuple[slice, slice]) -> bool:
    if layer is None:
        return False
    marked = np.asarray(layer.picture)[..., 3] > 0
    return bool(marked.any() and marked[place].sum() >= marked.sum() / 2)


def is_marked(kind: str, layer: Drawn | None) -> bool:
    if layer is None:
        return False
    return bool(layer.figures["pairs" if kind == "clones" else "with_other_grid"])


def rows(
    samples: Sequence[Sample], others: Sequence[Sample], folder: Path
) -> Iterator[tuple[str, str, bool]]:
    """Layer, case and whether it was marked or found, of each picture."""
    drawing = random.Random(SEED)
    for sample in samples:
        as_it_is = source_of(sample.path)
        for kind in ("clones", "grid"):
            yield kind, "as it is", is_marked(kind, drawn(kind, as_it_is))
        pixels = as_it_is.pixels
        if (forged := copied(pixels, drawing)) is not None:
            for name, quality in QUALITIES.items():
                layer = drawn("clones", saved(forged[0], quality, folder))
                yield "clones", name, has_copy(layer, forged[1])
        other = source_of(drawing.choice(others).path).pixels
        other = saved(other, PUBLISHED, folder).pixels
        composite, place = pasted(pixels, other, drawing)
        for name, quality in QUALITIES.items():
            yield "grid", name, has_square(drawn("grid", saved(composite, quality, folder)), place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=100, help="pictures a source")
    options = parser.parse_args()
    real = [s for s in read_manifest(options.data).samples if not s.label and s.split != "test"]
    random.Random(SEED).shuffle(real)
    by_source = {name: [s for s in real if s.source == name] for name in {s.source for s in real}}
    found: dict[tuple[str, str, str], list[bool]] = {}
    started, drawings = time.process_time(), 0
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted(by_source):
            others = [s for s in real if s.source != name and s.path.suffix == ".jpg"]
            for kind, case, answer in rows(by_source[name][: options.limit], others, Path(folder)):
                found.setdefault((kind, name, case), []).append(answer)
                drawings += 1
    cases = ["as it is", *QUALITIES]
    for kind in ("clones", "grid"):
        print(f"\n{kind}\n\n| source | n | {' | '.join(cases)} |\n|{' --- |' * (2 + len(cases))}")
        for name in sorted(by_source):
            answers = [found.get((kind, name, case), []) for case in cases]
            cells = [_share(one) for one in answers]
            print(f"| {name} | {len(answers[0])} | {' | '.join(cells)} |")
    print(f"\n{1000 * (time.process_time() - started) / drawings:.0f} ms of CPU a drawing")


def _share(answers: Sequence[bool]) -> str:
    if not answers:
        return ""
    share = rate(sum(answers), len(answers))
    return f"{100 * share.value:.0f} ({100 * share.low:.0f}–{100 * share.high:.0f})"


if __name__ == "__main__":
    main()
