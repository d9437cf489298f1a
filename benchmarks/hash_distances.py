"""How far the perceptual hashes of copies, and of different pictures, are apart.

    python -m benchmarks.hash_distances [--manifest manifest.csv] [--copies 150]

The thresholds of `detection.likeness` are chosen by this. Without a manifest (columns path, source,
group; see docs/datasets.md) the pictures are drawn: coarse patches of colour, so that nothing but
the arithmetic is tried. Pictures of one group are not compared with each other.
"""

import argparse
import csv
import io
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageDraw, ImageEnhance
from rich.console import Console
from rich.table import Table

from detection.likeness import mirrored

DRAWN = 2000
HASHED_SIDE = 320
AT_MOST = (0, 2, 4, 6, 8, 10)
Picture = Image.Image


@dataclass(frozen=True)
class Source:
    name: str
    group: str
    load: Callable[[], Picture]


def drawn() -> list[Source]:
    return [Source("drawn", str(n), lambda n=n: _patches(n)) for n in range(DRAWN)]


def listed(manifest: Path) -> list[Source]:
    with manifest.open() as file:
        return [
            Source(
                row["source"],
                row["group"],
                lambda path=row["path"]: Image.open(
                    manifest.parent / path, formats=["JPEG"]
                ).convert("RGB"),
            )
            for row in csv.DictReader(file)
        ]


def _patches(seed: int) -> Picture:
    coarse = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC)


def number(picture: Picture) -> int:
    """As `detection.hashing.perceptual_hashes`, as a number."""
    small = picture.copy()
    small.thumbnail((HASHED_SIDE, HASHED_SIDE), Image.Resampling.BOX)
    return int(str(imagehash.phash(small)), 16)


def saved(picture: Picture, kind: str, quality: int) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, kind, quality=quality)
    return Image.open(buffer, formats=[kind]).convert("RGB")


def scaled(picture: Picture, by: float) -> Picture:
    size = (max(8, round(picture.width * by)), max(8, round(picture.height * by)))
    return picture.resize(size, Image.Resampling.BICUBIC)


def cut(picture: Picture, share: float) -> Picture:
    x, y = round(picture.width * share), round(picture.height * share)
    return picture.crop((x, y, picture.width - x, picture.height - y))


def framed(picture: Picture, share: float) -> Picture:
    edge = round(max(picture.size) * share)
    frame = Image.new("RGB", (picture.width + 2 * edge, picture.height + 2 * edge), "white")
    frame.paste(picture, (edge, edge))
    return frame


def covered(picture: Picture, left: float, top: float, right: float, bottom: float) -> Picture:
    copy, (width, height) = picture.copy(), picture.size
    box = (width * left, height * top, width * right, height * bottom)
    ImageDraw.Draw(copy).rectangle(box, fill="white")
    return copy


COPIES: dict[str, Callable[[Picture], Picture]] = {
    "JPEG 60": lambda p: saved(p, "JPEG", 60),
    "JPEG 30": lambda p: saved(p, "JPEG", 30),
    "WebP 50": lambda p: saved(p, "WEBP", 50),
    "half the size, JPEG 75": lambda p: saved(scaled(p, 0.5), "JPEG", 75),
    "screenshot at 90 %, JPEG 80": lambda p: saved(scaled(p, 0.9), "JPEG", 80),
    "20 % brighter": lambda p: ImageEnhance.Brightness(p).enhance(1.2),
    "20 % more contrast": lambda p: ImageEnhance.Contrast(p).enhance(1.2),
    "grey": lambda p: p.convert("L").convert("RGB"),
    "1 % cut off each side": lambda p: cut(p, 0.01),
    "2 % cut off each side": lambda p: cut(p, 0.02),
    "5 % cut off each side": lambda p: cut(p, 0.05),
    "10 % cut off each side": lambda p: cut(p, 0.10),
    "white frame of 2 %": lambda p: framed(p, 0.02),
    "white frame of 5 %": lambda p: framed(p, 0.05),
    "mark in a corner (33 × 7 %)": lambda p: covered(p, 0.65, 0.90, 0.98, 0.97),
    "caption over 12 %": lambda p: covered(p, 0, 0.88, 1, 1),
}


def copies(sources: list[Source], each: int) -> Table:
    """Share of copies within each distance, in percent."""
    by_name: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        by_name[source.name].append(source)
    chance = random.Random(0)
    taken = [one for some in by_name.values() for one in chance.sample(some, min(each, len(some)))]
    distances: dict[str, list[int]] = defaultdict(list)
    for source in taken:
        picture = source.load()
        own = number(picture)
        for name, copy in COPIES.items():
            distances[name].append((own ^ number(copy(picture))).bit_count())
        turned = number(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
        guess = int(mirrored(f"{own:016x}"), 16)
        distances["mirrored hash from the upright one"].append((turned ^ guess).bit_count())
    table = Table(f"copy (n = {len(taken)})", *(f"≤ {most}" for most in AT_MOST))
    for name, found in distances.items():
        shares = [100 * np.mean([one <= most for one in found]) for most in AT_MOST]
        table.add_row(name, *(f"{share:.1f}" for share in shares))
    return table


def others(sources: list[Source]) -> Table:
    """Pairs of different pictures within each distance."""
    hashes = np.array([number(source.load()) for source in sources], dtype=np.uint64)
    names = np.array([source.name for source in sources])
    _, groups = np.unique([source.group for source in sources], return_inverse=True)
    table = Table("different pictures", "pairs", *(f"≤ {most}" for most in AT_MOST))
    for name, mask in _selections(names):
        pairs, within = _within(hashes[mask], groups[mask])
        table.add_row(name, f"{pairs:,}", *(f"{count:,}" for count in within))
    return table


def _selections(names: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield "all", np.full(names.shape, True)
    for name in np.unique(names):
        yield str(name), names == name


def _within(hashes: np.ndarray, groups: np.ndarray) -> tuple[int, list[int]]:
    counts = np.zeros(65, dtype=np.int64)
    for at in range(1, len(hashes)):
        is_other = groups[:at] != groups[at]
        apart = np.bitwise_count(hashes[:at] ^ hashes[at])[is_other]
        counts += np.bincount(apart, minlength=65)
    return int(counts.sum()), [int(counts[: most + 1].sum()) for most in AT_MOST]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--copies", type=int, default=150, help="pictures of each source")
    given = parser.parse_args()
    sources = listed(given.manifest) if given.manifest else drawn()
    Console(width=120).print(copies(sources, given.copies), others(sources))


if __name__ == "__main__":
    main()
