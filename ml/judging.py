"""Labelled files judged exactly as they are judged when serving, on every core."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from ml.alterations import ALTERATIONS
from ml.artifact import artifact_sha256
from ml.datasets.arrays import decode_checked
from ml.datasets.manifest import Sample
from ml.decoder import Decoded, Decoder
from ml.inference import Prediction, Predictor

CLEAN = "clean"
# Samples a worker is handed at once: few enough that both cores end together.
CHUNK = 8

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Judged:
    """One labelled image and what a network said of it."""

    sample: Sample
    prediction: Prediction


def judge(
    artifact: Path,
    samples: Sequence[Sample],
    on_step: OnStep,
    cells: Sequence[str] = (CLEAN,),
    jobs: int | None = None,
) -> dict[str, list[Judged]]:
    """Judge files as they are and as altered, in the order of the samples.

    Args:
        artifact: folder of the artifact, which is taken as it is: the caller vouches for it.
        cells: `clean`, or names from `ml.alterations.ALTERATIONS`.
        jobs: processes; one for each core unless said.
    Raises:
        DatasetError: a file is not the one that was listed.
        UnreadableImage: a file cannot be decoded.
    """
    found: dict[str, list[Judged]] = {cell: [] for cell in cells}
    chunks = [(samples[at : at + CHUNK], tuple(cells)) for at in range(0, len(samples), CHUNK)]
    done = 0
    for predictions in _mapped(artifact, chunks, jobs or os.cpu_count() or 1):
        for row in predictions:
            for cell, prediction in row.items():
                found[cell].append(Judged(samples[done], prediction))
            done += 1
        on_step(done, len(samples))
    return found


def altered(decoded: Decoded, cell: str) -> Decoded:
    """A decoded picture as one cell of the report shows it to the network."""
    if cell == CLEAN:
        return decoded
    image = ALTERATIONS[cell](Image.fromarray(decoded.pixels))
    facts = replace(decoded.facts, width=image.width, height=image.height)
    return Decoded(np.asarray(image), facts)


_Chunk = tuple[Sequence[Sample], tuple[str, ...]]
_Row = Mapping[str, Prediction]


def _mapped(artifact: Path, chunks: Sequence[_Chunk], jobs: int) -> Iterator[list[_Row]]:
    if jobs == 1 or len(chunks) == 1:
        worker = _Worker(artifact)
        yield from map(worker, chunks)
        return
    # a fork would copy threads of the decoder, of the runtime and, after training, of TensorFlow
    spawned = get_context("spawn")
    with ProcessPoolExecutor(jobs, spawned, initializer=_start, initargs=(artifact,)) as pool:
        yield from pool.map(_judge_chunk, chunks)


class _Worker:
    """A predictor and a decoder, kept for the life of a process."""

    def __init__(self, artifact: Path) -> None:
        self.predictor = Predictor.load(artifact, registered={artifact_sha256(artifact)})
        self.decoder = Decoder()

    def __call__(self, chunk: _Chunk) -> list[_Row]:
        samples, cells = chunk
        return [self._row(sample, cells) for sample in samples]

    def _row(self, sample: Sample, cells: Sequence[str]) -> _Row:
        decoded = decode_checked(self.decoder, sample)
        shown = [altered(decoded, cell) for cell in cells]
        return dict(zip(cells, self.predictor.predict(shown), strict=True))


_worker: _Worker | None = None


def _start(artifact: Path) -> None:
    global _worker
    _worker = _Worker(artifact)


def _judge_chunk(chunk: _Chunk) -> list[_Row]:
    if _worker is None:
        raise RuntimeError("the process was not started by the pool's initializer")
    return _worker(chunk)
