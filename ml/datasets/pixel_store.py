"""Decoded images of a data set in one file, at the size they are judged at, with their faces."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from ml.datasets.arrays import decode_checked
from ml.datasets.manifest import Sample
from ml.datasets.prepared import prepare_once
from ml.decoder import Decoder
from ml.errors import DatasetError, UnreadableImage
from ml.faces import find_faces

# Part of the file's name: raise it when the same files give other bytes.
VERSION = 1

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class PixelStore:
    """Pixels and faces by the SHA-256 of the file.

    Attributes:
        data: every picture's bytes after each other, uint8.
        index: offset, height, width and faces of each file.
        path: the index file, where there is one; its pixels lie beside it.
    """

    data: np.ndarray
    index: dict[str, dict[str, list[float]]]
    path: Path | None = None

    @classmethod
    def opened(cls, path: Path) -> Self:
        """The store whose index this is."""
        return cls(
            np.memmap(path.with_suffix(".bin"), np.uint8, "r"), json.loads(path.read_text()), path
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process goes where the files are, not what is in them."""
        if self.path is None:
            return PixelStore, (self.data, self.index)
        return PixelStore.opened, (self.path,)

    def pixels(self, sha256: str) -> np.ndarray:
        """One picture, (h, w, 3) uint8."""
        offset, height, width = map(int, self.index[sha256]["at"])
        flat: np.ndarray = self.data[offset : offset + height * width * 3]
        return flat.reshape(height, width, 3)

    def face(self, sha256: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Box (4,) and landmarks (5, 2) in pixels of the largest face, where there is one."""
        values = self.index[sha256]["face"]
        if not values:
            return None
        return np.array(values[:4]), np.array(values[4:]).reshape(5, 2)


def pixel_store(samples: Sequence[Sample], folder: Path, on_step: OnStep) -> PixelStore:
    """Decode each listed file once; later runs over the same files find them here.

    Raises:
        DatasetError: files that cannot be read or are not the listed ones; all are listed.
    """
    files = "\n".join(sorted({sample.sha256 for sample in samples}))
    name = hashlib.sha256(f"{VERSION}\n{files}".encode()).hexdigest()[:32]
    data, index = folder / f"{name}.bin", folder / f"{name}.json"

    def prepare() -> None:
        written = _write(samples, data, on_step)
        unfinished = index.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(written))
        unfinished.replace(index)

    prepare_once(index, prepare)
    return PixelStore.opened(index)


def _write(
    samples: Sequence[Sample], path: Path, on_step: OnStep
) -> dict[str, dict[str, list[float]]]:
    index: dict[str, dict[str, list[float]]] = {}
    wrong = []
    offset = 0
    with path.open("wb") as stream, Decoder() as decoder:
        for done, sample in enumerate(samples, start=1):
            try:
                pixels = _pixels(decoder, sample)
            except UnreadableImage as error:
                wrong.append(f"{sample.path}: {error}")
            except DatasetError as error:
                wrong.append(error.detail)
            else:
                index[sample.sha256] = {
                    "at": [offset, *pixels.shape[:2]],
                    "face": _largest_face(pixels),
                }
                offset += stream.write(np.ascontiguousarray(pixels).tobytes())
            on_step(done, len(samples))
    if wrong:
        raise DatasetError(f"{len(wrong)} files cannot be used", tuple(wrong))
    return index


def _pixels(decoder: Decoder, sample: Sample) -> np.ndarray:
    """Once more where time ran out: on a busy machine that says nothing of the file."""
    try:
        return decode_checked(decoder, sample).pixels
    except UnreadableImage as error:
        if error.code != "decoder_timeout":
            raise
        return decode_checked(decoder, sample).pixels


def _largest_face(pixels: np.ndarray) -> list[float]:
    faces = find_faces(pixels)
    return [*faces[0].box, *faces[0].landmarks.ravel().tolist()] if faces else []
