"""Drawn pictures and the logits that each shipped artifact gave them.

`python -m tests.ml.golden` writes the records anew, for when an artifact is added.
"""

import functools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from ml.artifact import ARTIFACTS, MODEL_FILE, artifact_sha256, shipped_hashes
from ml.decoder import MIN_SIDE, Decoder
from ml.inference import Predictor
from tests.images import encode, jpeg_bytes, png_bytes

RECORDS = Path(__file__).parent / "golden.json"


def gradient(width: int, height: int, red: int) -> bytes:
    """Light falling off across and down."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(255, 0, height))
    pixels = np.stack([np.full(across.shape, red), across, down], axis=-1)
    return encode(Image.fromarray(pixels.astype(np.uint8)), "PNG")


def noise(width: int, height: int, lowest: int, highest: int) -> bytes:
    values = np.random.default_rng(5).integers(lowest, highest, (height, width, 3), np.uint8)
    return encode(Image.fromarray(values), "PNG")


PICTURES: dict[str, Callable[[], bytes]] = {
    "photo_128_png": functools.partial(png_bytes, 128, 128, 1),
    "photo_320x240_png": functools.partial(png_bytes, 320, 240, 2),
    "photo_240x320_png": functools.partial(png_bytes, 240, 320, 3),
    "photo_1000x700_png": functools.partial(png_bytes, 1000, 700, 4),
    "photo_200x150_jpeg_40": functools.partial(jpeg_bytes, 200, 150, 5, quality=40),
    "photo_320x240_jpeg_55": functools.partial(jpeg_bytes, 320, 240, 6, quality=55),
    "photo_500_jpeg_70": functools.partial(jpeg_bytes, 500, 500, 7, quality=70),
    "photo_640x480_jpeg_80": functools.partial(jpeg_bytes, 640, 480, 8, quality=80),
    "photo_480x900_jpeg_90": functools.partial(jpeg_bytes, 480, 900, 9, quality=90),
    "photo_1280x720_jpeg_95": functools.partial(jpeg_bytes, 1280, 720, 10, quality=95),
    "photo_1600x200_jpeg_85": functools.partial(jpeg_bytes, 1600, 200, 11, quality=85),
    "photo_3000x2200_jpeg_85": functools.partial(jpeg_bytes, 3000, 2200, 12, quality=85),
    "gradient_dark": functools.partial(gradient, 256, 256, 30),
    "gradient_red": functools.partial(gradient, 640, 360, 220),
    "noise_full": functools.partial(noise, 300, 300, 0, 256),
    "noise_faint": functools.partial(noise, 400, 260, 110, 140),
}


def shipped() -> dict[str, Path]:
    """Folders of the artifacts that are registered and present, by SHA-256."""
    folders = [path.parent for path in sorted(ARTIFACTS.glob(f"*/{MODEL_FILE}"))]
    found = {artifact_sha256(folder): folder for folder in folders}
    return {sha256: found[sha256] for sha256 in found if sha256 in shipped_hashes()}


def logits(artifact: Path) -> dict[str, float]:
    """Logit of each picture, from bytes in a file to the answer."""
    predictor = Predictor.load(artifact, registered=shipped_hashes())
    found = {}
    with Decoder() as decoder, tempfile.TemporaryDirectory() as folder:
        for name, draw in PICTURES.items():
            path = Path(folder) / name
            path.write_bytes(draw())
            [prediction] = predictor.predict([decoder.decode(path, min_side=MIN_SIDE)])
            found[name] = round(prediction.logit, 6)
    return found


def write() -> None:
    """Record what the shipped artifacts give now."""
    records = {sha256: logits(folder) for sha256, folder in shipped().items()}
    RECORDS.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    write()
