"""Judge files on this machine, without a server."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from client.files import on_disk
from client.result import Result
from ml.artifact import ARTIFACTS, DEFAULT_ARTIFACT, Artifact, shipped_hashes
from ml.decision import stated_reasons
from ml.decoder import MIN_SIDE, Decoded, Decoder
from ml.errors import ArtifactError, MLError
from ml.inference import Prediction, Predictor


class Judge(Protocol):
    """What is needed of `ml.inference.Predictor`."""

    @property
    def artifact(self) -> Artifact: ...

    def predict(self, images: Sequence[Decoded]) -> list[Prediction]: ...


@dataclass(frozen=True)
class _Read:
    path: Path
    sha256: str | None = None
    decoded: Decoded | None = None
    error: dict[str, str] | None = None


def load_predictor(model: str) -> Predictor:
    """A network that is shipped with the command.

    Raises:
        ArtifactError: none of this name is shipped, or its files are not the shipped ones.
    """
    if model not in shipped_models():
        known = ", ".join(shipped_models())
        raise ArtifactError("artifact_missing", f"no model {model!r}; one of {known}")
    return Predictor.load(ARTIFACTS / model, registered=shipped_hashes())


def shipped_models() -> list[str]:
    """Names of the networks that come with this version, the default first."""
    names = sorted(path.name for path in ARTIFACTS.iterdir() if path.is_dir())
    return sorted(names, key=lambda name: name != DEFAULT_ARTIFACT.name)


@contextmanager
def judged_here(files: Sequence[Path], jobs: int, model: str) -> Iterator[Iterator[Result]]:
    """The results of files, so many of which are decoded at once.

    Raises:
        MLError: nothing can be judged here.
    """
    with ExitStack() as stack:
        decoders = [stack.enter_context(Decoder()) for _ in range(jobs)]
        for decoder in decoders:
            decoder.start()  # gets ready while the network loads
        yield judge_all(files, decoders, load_predictor(model))


def judge_all(
    files: Iterable[Path], decoders: Sequence[Decoder], predictor: Judge
) -> Iterator[Result]:
    """Judge files in their order; the next ones are decoded while one is judged."""
    for read in _read_ahead(files, decoders):
        yield _judge(read, predictor)


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
    model = predictor.artifact
    return Result(
        path=str(read.path),
        sha256=read.sha256,
        probability=prediction.probability,
        verdict=str(prediction.verdict),
        reasons=stated_reasons(prediction.verdict, prediction.probability, prediction.reasons),
        score=prediction.score,
        faces=tuple({"box": f.box, "probability": f.probability} for f in prediction.faces),
        model={"name": model.name, "version": model.version, "sha256": model.sha256},
    )
