"""What stands behind a number: the marks over the picture, and each face by itself."""

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

from detection.evidence.heatmap import marks_anything
from detection.figures import figures
from detection.models import Detection
from detection.presentation import TONES, cuts, side_of

NOTHING = "–"


@dataclass(frozen=True)
class Overlay:
    """The heatmap on the page.

    Attributes:
        is_on: whether it lies over the picture before anybody asked for it.
        has_marks: whether any evidence in it is strong enough to be seen.
    """

    is_on: bool
    has_marks: bool


@dataclass(frozen=True)
class JudgedFace:
    """One face by itself, as a row of a table; the number is that of its frame."""

    number: int
    probability: str
    verdict: str | Promise
    tone: str


def overlay(detection: Detection) -> Overlay | None:
    """How to show where the model found signs; None where there is no map."""
    cells = detection.activation_map() if detection.has_heatmap else None
    if cells is None:
        return None
    return Overlay(
        is_on=detection.verdict == Detection.Verdict.LIKELY_MANIPULATED,
        has_marks=marks_anything(cells, detection.faces),
    )


def judged_faces(detection: Detection) -> list[JudgedFace]:
    """Each face with its own number, and on which side of the image's cuts that falls."""
    low, high = cuts(detection)
    return [_row(number, face, low, high) for number, face in enumerate(detection.faces, 1)]


def _row(number: int, face: dict[str, Any], low: float | None, high: float | None) -> JudgedFace:
    probability = face.get("probability")
    shown = figures(probability, low, high).probability or NOTHING
    if probability is None or low is None or high is None:
        return JudgedFace(number, shown, NOTHING, "")
    side = Detection.Verdict(side_of(probability, low, high))
    return JudgedFace(number, shown, side.label, TONES[side])
