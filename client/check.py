"""Judge files on this machine, without a server."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from client.files import on_disk
from ml.artifact import DEFAULT_ARTIFACT, shipped_hashes
from ml.decoder import MIN_SIDE, Decoded, Decoder
from ml.errors import MLError
from ml.inference import Prediction, Predictor

EXIT_AUTHENTIC, EXIT_MANIPULATED, EXIT_INCONCLUSIVE, EXIT_FAILED = 0, 1, 2, 3


@dataclass(frozen=True)
class Result:
    """One file in the output; with an error (code and detail) the judgement is empty."""

    path: str
    sha256: str | None = None
    probability: float | None = None
    verdict: str | None = None
    reasons: tuple[str, ...] = ()
    error: dict[str, str] | None = None


class Judge(Protocol):
    """What is needed of `ml.inference.Predictor`."""

    def predict(self, images: Sequence[Decoded]) -> list[Prediction]: ...


@dataclass(frozen=True)
class _Read:
    path: Path
    sha256: str | None = None
    decoded: Decoded | None = None
    error: dict[str, str] | None = None


def load_predictor() -> Predictor:
    """The network that is shipped with the command."""
    return Predictor.load(DEFAULT_ARTIFACT, registered=shipped_hashes())


def judge_all(
    files: Iterable[Path], decoders: Sequence[Decoder], predictor: Judge
) -> Iterator[Result]:
    """Judge files in their order; the next ones are decoded while one is judged."""
    for read in _read_ahead(files, decoders):
        yield _judge(read, predictor)


def exit_code(results: Iterable[Result]) -> int:
    """3 if any file failed, else 1 if any is manipulated, else 2 if any is inconclusive, else 0."""
    seen = {"failed" if result.error else result.verdict for result in results}
    for word, code in (
        ("failed", EXIT_FAILED),
        ("likely_manipulated", EXIT_MANIPULATED),
        ("inconclusive", EXIT_INCONCLUSIVE),
    ):
        if word in seen:
            return code
    return EXIT_AUTHENTIC


def _read_ahead(files: Iterable[Path], decoders: Sequence[Decoder]) -> Iterator[_Read]:
    """Decode in as many threads as decoders, at most one image a decoder ahead of the judge."""
    pending: deque[Future[_Read]] = deque()
    with ThreadPoolExecutor(len(decoders)) as pool:
        for number, path in enumerate(files):
            pending.append(pool.submit(_read, path, decoders[number % len(decoders)]))
            if len(pending) > len(decoders):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _read(path: Path, decoder: Decoder) -> _Read:
    sha256 = None
    try:
        with on_disk(path) as file:
            with file.open("rb") as stream:
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
            return _Read(path, sha256, decoder.decode(file, min_side=MIN_SIDE))
    except MLError as error:
        return _Read(path, sha256, error={"code": error.code, "detail": error.detail})
    except OSError as error:
        return _Read(path, error={"code": "not_readable", "detail": error.strerror or str(error)})


def _judge(read: _Read, predictor: Judge) -> Result:
    if read.decoded is None:
        return Result(str(read.path), read.sha256, error=read.error)
    [prediction] = predictor.predict([read.decoded])
    return Result(
        path=str(read.path),
        sha256=read.sha256,
        probability=prediction.probability,
        verdict=str(prediction.verdict),
        reasons=prediction.reasons,
    )
