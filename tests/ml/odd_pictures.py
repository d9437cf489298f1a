"""Pictures that no detector of manipulated photographs should decide on, drawn in code."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from ml.decoder import Decoded, ImageFacts
from ml.stability import jpeg
from tests.images import photo_like

Draw = Callable[[np.random.Generator], Image.Image]


def _size(generator: np.random.Generator) -> tuple[int, int]:
    width, height = generator.integers(224, 900, 2)
    return int(width), int(height)


def _noise(generator: np.random.Generator) -> Image.Image:
    width, height = _size(generator)
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), np.uint8))


def _grey_noise(generator: np.random.Generator) -> Image.Image:
    width, height = _size(generator)
    levels = generator.normal(128, generator.uniform(10, 60), (height, width))
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).convert("RGB")


def _plain(generator: np.random.Generator) -> Image.Image:
    return Image.new("RGB", _size(generator), tuple(int(v) for v in generator.integers(0, 256, 3)))


def _black(generator: np.random.Generator) -> Image.Image:
    return Image.new("RGB", _size(generator))


def _gradient(generator: np.random.Generator) -> Image.Image:
    corners = generator.integers(0, 256, (2, 2, 3)).astype(np.uint8)
    return Image.fromarray(corners).resize(_size(generator), Image.Resampling.BILINEAR)


def _stripes(generator: np.random.Generator) -> Image.Image:
    width, height = _size(generator)
    period = int(generator.integers(2, 24))
    rows = (np.arange(height)[:, None] + np.arange(width)[None]) // period % 2
    return Image.fromarray((rows * 255).astype(np.uint8)).convert("RGB")


def _cartoon(generator: np.random.Generator) -> Image.Image:
    image = _plain(generator)
    draw = ImageDraw.Draw(image)
    for _ in range(int(generator.integers(4, 14))):
        x, y = generator.integers(0, image.size)
        w, h = generator.integers(20, 300, 2)
        colour = tuple(int(v) for v in generator.integers(0, 256, 3))
        shape = draw.ellipse if generator.random() < 0.5 else draw.rectangle
        shape((int(x), int(y), int(x + w), int(y + h)), fill=colour, outline="black", width=3)
    return image


def _document(generator: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (700, 900), "white")
    draw = ImageDraw.Draw(image)
    letters = "abcdefghijklmnopqrstuvwxyz      "
    for top in range(40, 860, 18):
        line = "".join(generator.choice(list(letters), 90))
        draw.text((50, top), line, fill="black")
    return image


def _crushed(generator: np.random.Generator) -> Image.Image:
    return jpeg(photo_like(480, 360, int(generator.integers(1000))), int(generator.integers(1, 4)))


def _enlarged(generator: np.random.Generator) -> Image.Image:
    tiny = photo_like(320, 240, int(generator.integers(1000))).resize((32, 24))
    return tiny.resize((640, 480), Image.Resampling.BICUBIC)


def _pixel(generator: np.random.Generator) -> Image.Image:
    return Image.new("RGB", (1, 1), tuple(int(v) for v in generator.integers(0, 256, 3)))


def _line(generator: np.random.Generator) -> Image.Image:
    return Image.fromarray(generator.integers(0, 256, (1, 4000, 3), np.uint8))


def _thumbnail(generator: np.random.Generator) -> Image.Image:
    return photo_like(90, 60, int(generator.integers(1000)))


KINDS: dict[str, Draw] = {
    "noise": _noise,
    "grey noise": _grey_noise,
    "plain": _plain,
    "black": _black,
    "gradient": _gradient,
    "stripes": _stripes,
    "cartoon": _cartoon,
    "document": _document,
    "JPEG quality 1 to 3": _crushed,
    "enlarged from 32 pixels": _enlarged,
    "one pixel": _pixel,
    "one line": _line,
    "thumbnail": _thumbnail,
}


def odd_picture(kind: str, seed: int) -> Decoded:
    image = KINDS[kind](np.random.default_rng([seed, len(kind)]))
    return Decoded(np.asarray(image), ImageFacts("PNG", image.width, image.height, "RGB"))


def hidden_by_alpha(seed: int) -> Decoded:
    """A photograph whose middle was transparent, flattened on white."""
    image = photo_like(400, 300, seed)
    image.paste("white", (120, 80, 280, 220))
    facts = ImageFacts("PNG", image.width, image.height, "RGBA")
    return Decoded(np.asarray(image), replace(facts, has_transparency=True))
