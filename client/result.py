"""What is said about one file, wherever it was judged, and what the command's exit code says."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

EXIT_AUTHENTIC, EXIT_MANIPULATED, EXIT_INCONCLUSIVE, EXIT_FAILED = 0, 1, 2, 3


@dataclass(frozen=True)
class Result:
    """One file in the output; with an error (code and detail) the judgement is empty.

    Attributes:
        score: ranks pictures only; also there where a probability would mean nothing.
        faces: box as shares of the picture and probability of each face that was judged.
        model: name, version and SHA-256 of the artifact.
    """

    path: str
    sha256: str | None = None
    probability: float | None = None
    verdict: str | None = None
    reasons: tuple[str, ...] = ()
    error: dict[str, str] | None = None
    score: float | None = None
    faces: tuple[dict[str, Any], ...] = ()
    model: dict[str, str] | None = None

    @property
    def word(self) -> str:
        """The verdict, or what there is in its place."""
        return "failed" if self.error else self.verdict or "queued"


@dataclass(frozen=True)
class Submitted(Result):
    """A file that a server was asked about; a server gives no score.

    Attributes:
        id: the detection's, once the server accepted the file.
        page: where people read about it.
    """

    id: str | None = None
    page: str | None = None


def exit_code(results: Iterable[Result]) -> int:
    """3 if any file failed, else 1 if any is manipulated, else 2 if any is inconclusive, else 0."""
    seen = {result.word for result in results}
    for word, code in (
        ("failed", EXIT_FAILED),
        ("likely_manipulated", EXIT_MANIPULATED),
        ("inconclusive", EXIT_INCONCLUSIVE),
    ):
        if word in seen:
            return code
    return EXIT_AUTHENTIC
