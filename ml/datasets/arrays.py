"""Decoded and preprocessed images as one file on disk, made once per data set and setting."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from PIL import Image

from ml.datasets.augment import Degradation
from ml.datasets.manifest import Sample
from ml.datasets.prepared import prepare_once
from ml.decoder import MIN_SIDE, Decoded, Decoder
from ml.errors import DatasetError, UnreadableImage
from ml.preprocess import Preprocessing

# Part of the file's name: raise it when the same settings give other bytes.
VERSION = 1

OnStep = Callable[[int, int], None]


def plain_arrays(
    samples: Sequence[Sample], preprocessing: Preprocessing, folder: Path, on_step: OnStep
) -> np.ndarray:
    """Each image as the network sees it when serving, shape (n, size, size, 3) uint8."""
    make = _Plain(preprocessing)
    return _cached(samples, make, _key(samples, preprocessing, {}), folder, on_step)[:, 0]


def degraded_arrays(
    samples: Sequence[Sample],
    preprocessing: Preprocessing,
    degradation: Degradation,
    folder: Path,
    on_step: OnStep,
    *,
    copies: int,
    seed: int,
) -> np.ndarray:
    """Copies of each image, each degraded its own way, shape (n, copies, size, size, 3) uint8."""
    make = _Degraded(preprocessing, degradation, copies, seed)
    settings = {"degradation": degradation.to_json(), "copies": copies, "seed": seed}
    return _cached(samples, make, _key(samples, preprocessing, settings), folder, on_step)


class _Plain:
    copies = 1

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.preprocessing = preprocessing

    def __call__(self, sample: Sample, pixels: np.ndarray) -> np.ndarray:
        return self.preprocessing.resize(Image.fromarray(pixels))[None]


class _Degraded:
    def __init__(
        self, preprocessing: Preprocessing, degradation: Degradation, copies: int, seed: int
    ) -> None:
        self.preprocessing, self.degradation = preprocessing, degradation
        self.copies, self.seed = copies, seed

    def __call__(self, sample: Sample, pixels: np.ndarray) -> np.ndarray:
        # Seeded by the image, so that a row more or less changes nobody else's copies.
        generator = np.random.default_rng([self.seed, int(sample.sha256[:16], 16)])
        degraded = [self.degradation.apply(pixels, generator) for _ in range(self.copies)]
        return np.stack([self.preprocessing.resize(Image.fromarray(copy)) for copy in degraded])


def _cached(
    samples: Sequence[Sample], make: _Plain | _Degraded, key: str, folder: Path, on_step: OnStep
) -> np.ndarray:
    path = folder / f"{key}.npy"

    def prepare() -> None:
        size = make.preprocessing.size
        unfinished = path.with_suffix(".unfinished")
        shape = (len(samples), make.copies, size, size, 3)
        arrays = open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
        _fill(arrays, samples, make, on_step)
        arrays.flush()
        unfinished.replace(path)

    prepare_once(path, prepare)
    return np.load(path, mmap_mode="r")


def _fill(
    arrays: np.ndarray, samples: Sequence[Sample], make: _Plain | _Degraded, on_step: OnStep
) -> None:
    wrong = []
    with Decoder() as decoder:
        for at, sample in enumerate(samples):
            try:
                arrays[at] = make(sample, decode_checked(decoder, sample).pixels)
            except UnreadableImage as error:
                wrong.append(f"{sample.path}: {error}")
            except DatasetError as error:
                wrong.append(error.detail)
            on_step(at + 1, len(samples))
    if wrong:
        raise DatasetError(f"{len(wrong)} files cannot be used", tuple(wrong))


def decode_checked(decoder: Decoder, sample: Sample) -> Decoded:
    """Decode the very bytes the manifest lists.

    Raises:
        DatasetError: the file is not the one that was listed.
        UnreadableImage: the decoder refuses it.
    """
    found = hashlib.sha256(sample.path.read_bytes()).hexdigest()
    if found != sample.sha256:
        raise DatasetError(f"{sample.path}: SHA-256 is {found}, the manifest says {sample.sha256}")
    return decoder.decode(sample.path, min_side=MIN_SIDE)


def _key(
    samples: Sequence[Sample], preprocessing: Preprocessing, settings: dict[str, object]
) -> str:
    parts = {
        "version": VERSION,
        "preprocessing": preprocessing.to_json(),
        "settings": settings,
        "files": [sample.sha256 for sample in samples],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
