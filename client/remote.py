"""Judge files on a server: one request a file, or batches of small ones."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, TypeVar

from client.errors import DeskError
from client.files import digest, opened
from client.result import Submitted
from client.server import HELD_S, LARGE_BYTES, Desk
from client.shapes import BatchItem, Detection, Terms

BATCH_FILES = 100
BATCH_BYTES = 50 * 1024 * 1024  # of the 500 MB that a desk accepts: a cut costs the whole request
BATCHES_AT_ONCE = 4  # each holds up to 100 open files
Given = TypeVar("Given")
Made = TypeVar("Made")


class Errand:
    """Files on their way to a desk and back.

    Attributes:
        hopeless: why every other file would fail as well, once that is known.
    """

    def __init__(self, desk: Desk, terms: Terms, *, timeout_s: float, waits: bool = True) -> None:
        self._desk = desk
        self._terms = terms
        self._timeout_s = timeout_s
        self._waits = waits
        self.hopeless: DeskError | None = None

    def one_by_one(self, files: Iterable[Path], jobs: int) -> Iterator[Submitted]:
        """Results in the order of the files, so many of which are under way at once."""
        return _ahead(self._judge, files, jobs)

    def in_batches(self, files: Iterable[Path], jobs: int) -> Iterator[Submitted]:
        """Results in the order of the files; those below 5 MB travel together."""
        for results in _ahead(self._judge_group, _groups(files), min(jobs, BATCHES_AT_ONCE)):
            yield from results

    def _judge(self, path: Path) -> Submitted:
        result = Submitted(str(path))
        try:
            with opened(path) as stream:
                result = replace(result, sha256=digest(stream))
                self._raise_if_hopeless()
                wait_s = min(HELD_S, self._timeout_s) if self._waits else 0.0
                detection = self._desk.submit(stream, name=path.name, wait_s=wait_s, **self._terms)
            return self._outcome(result, detection)
        except (DeskError, OSError) as error:
            return self._failed(result, error)

    def _judge_group(self, paths: Sequence[Path]) -> list[Submitted]:
        results: dict[int, Submitted] = {}
        small: dict[int, BinaryIO] = {}
        with ExitStack() as stack:
            for place, path in enumerate(paths):
                if _size(path) > LARGE_BYTES:
                    results[place] = self._judge(path)
                    continue
                results[place] = Submitted(str(path))
                try:
                    small[place] = stack.enter_context(opened(path))
                    results[place] = Submitted(str(path), sha256=digest(small[place]))
                except OSError as error:
                    small.pop(place, None)
                    results[place] = self._failed(results[place], error)
            results |= self._judge_batch({place: results[place] for place in small}, small)
        return [results[place] for place in range(len(paths))]

    def _judge_batch(
        self, results: dict[int, Submitted], streams: dict[int, BinaryIO]
    ) -> dict[int, Submitted]:
        if not streams:
            return {}
        try:
            self._raise_if_hopeless()
            names = [Path(results[place].path).name for place in streams]
            accepted = self._desk.submit_batch(list(streams.values()), names=names, **self._terms)
        except (DeskError, OSError) as error:
            return {place: self._failed(result, error) for place, result in results.items()}
        placed = dict(zip(results, accepted["results"], strict=True))
        results = {place: _accepted(results[place], item) for place, item in placed.items()}
        return self._waited(results, accepted["id"]) if self._waits else results

    def _waited(self, results: dict[int, Submitted], batch_id: str) -> dict[int, Submitted]:
        """The results with the verdicts of a batch, or why they did not come."""
        is_open = {place for place, result in results.items() if result.word == "queued"}
        if not is_open:
            return results
        try:
            done = self._desk.wait_for_batch(batch_id, timeout_s=self._timeout_s)
        except DeskError as error:
            return results | {place: self._failed(results[place], error) for place in is_open}
        judged = {detection["id"]: detection for detection in done}
        return results | {
            place: self._found(results[place], judged.get(results[place].id or ""))
            for place in is_open
        }

    def _found(self, result: Submitted, detection: Detection | None) -> Submitted:
        if detection:
            return _judged(result, detection)
        return self._failed(result, DeskError("not_found", "erased while it was being judged"))

    def _outcome(self, result: Submitted, detection: Detection) -> Submitted:
        result = _judged(result, detection)
        if result.word != "queued" or not self._waits:
            return result
        try:
            return _judged(result, self._desk.wait(detection, timeout_s=self._timeout_s))
        except DeskError as error:
            return self._failed(result, error)

    def _raise_if_hopeless(self) -> None:
        if self.hopeless:
            raise self.hopeless

    def _failed(self, result: Submitted, error: DeskError | OSError) -> Submitted:
        if isinstance(error, OSError):
            detail = error.strerror or str(error)
            return replace(result, error={"code": "not_readable", "detail": detail})
        if error.is_hopeless:
            self.hopeless = self.hopeless or error
        return replace(result, error={"code": error.code, "detail": error.detail})


def asked_about(detection_id: str, desk: Desk) -> Submitted:
    """A detection whose file is not at hand; its id takes the place of the path.

    Raises:
        DeskError: the next would meet the same.
    """
    result = Submitted(detection_id)
    try:
        return _judged(result, desk.detection(detection_id))
    except DeskError as error:
        if error.is_hopeless:
            raise
        return replace(result, error={"code": error.code, "detail": error.detail})


def _judged(result: Submitted, detection: Detection) -> Submitted:
    model, failure = detection["model"], detection["failure"]
    return replace(
        result,
        sha256=detection["image"]["sha256"],
        probability=detection["probability"],
        verdict=detection["verdict"],
        reasons=tuple(detection["reasons"]),
        error={"code": failure["code"], "detail": failure["detail"]} if failure else None,
        faces=tuple({"box": f["box"], "probability": f["probability"]} for f in detection["faces"]),
        model={
            "name": model["name"],
            "version": model["version"],
            "sha256": model["artifact_sha256"],
        },
        id=detection["id"],
        page=detection["links"]["page"],
    )


def _accepted(result: Submitted, item: BatchItem) -> Submitted:
    if item["detection"]:
        return _judged(result, item["detection"])
    problem = item["problem"] or {}
    error = {name: str(problem.get(name, "")) for name in ("code", "detail")}
    return replace(result, error=error)


def _ahead(work: Callable[[Given], Made], given: Iterable[Given], jobs: int) -> Iterator[Made]:
    """Do so many at once, and hand out what was made in the order given."""
    pool = ThreadPoolExecutor(jobs)
    pending: deque[Future[Made]] = deque()
    try:
        for item in given:
            pending.append(pool.submit(work, item))
            if len(pending) > jobs:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # Whoever leaves early does not wait for answers that are being held.
        pool.shutdown(wait=False, cancel_futures=True)


def _groups(files: Iterable[Path]) -> Iterator[list[Path]]:
    """Neighbours whose small files fit into one batch."""
    group: list[Path] = []
    total = 0
    for file in files:
        size = _size(file)
        size = size if size <= LARGE_BYTES else 0
        if group and (len(group) == BATCH_FILES or total + size > BATCH_BYTES):
            yield group
            group, total = [], 0
        group.append(file)
        total += size
    if group:
        yield group


def _size(path: Path) -> int:
    """0 where it cannot be told beforehand."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
