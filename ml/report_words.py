"""What the codes of a report mean, in words for people."""

from collections.abc import Sequence
from typing import Any

from ml.evaluation import APART, POOLED
from ml.report_markup import percent

ALTERED = {
    "jpeg": "JPEG of quality {}",
    "webp": "WebP of quality {}",
    "scale": "scaled to {} %",
    "blur": "blurred by {} px",
    "noise": "noise of {} levels",
    "crop": "middle {} % of each side",
}
NAMED = {
    "clean": "as it is",
    "screenshot": "screenshot",
    "equalised": "all 256 px square, JPEG of quality 75",
    "resaved_thrice": "saved again three times",
    "darker": "a fifth darker",
    "brighter": "a fifth brighter",
}
VETOES = {
    "too_small": "too small, or too little detail",
    "heavy_compression": "too heavily compressed",
    "no_face": "no face found",
    "out_of_domain": "unlike the training pictures",
    "unstable": "another verdict when saved again",
    "faces_disagree": "faces disagree",
    "transparency": "has transparent parts",
}
VERDICTS = {"likely_authentic": "likely authentic", "likely_manipulated": "likely manipulated"}
FACES = ("no face", "one face", "two faces", "three faces", "four faces")
MEASURES = ("blockiness", "detail", "distance")


def cell_in_words(cell: str) -> str:
    """What was done to the pictures of a cell."""
    kind, _, amount = cell.rpartition("_")
    if kind in ALTERED:
        return ALTERED[kind].format(amount)
    return NAMED.get(cell, cell)


def source_in_words(source: str) -> str:
    if source == POOLED:
        return "all sources"
    return f"{source} (apart)" if source in APART else source


def veto_in_words(code: str) -> str:
    return VETOES.get(code, code)


def failures_in_words(failures: Sequence[dict[str, Any]]) -> list[str]:
    """One sentence each; of faces only where the detector is seen to look for them."""
    looks_for_faces = any(one["faces"] for one in failures)
    return [_failure(one, looks_for_faces) for one in failures]


def _failure(one: dict[str, Any], looks_for_faces: bool) -> str:
    method = one["method"] if one["label"] == "fake" else ""
    made = f" ({method})" if method else ""
    verdict = VERDICTS.get(one["verdict"], one["verdict"])
    told = [f"a {one['label']} of {one['source']}{made} called {verdict}"]
    told[0] += f" at {percent(one['probability'])}"
    if looks_for_faces:
        told.append(FACES[one["faces"]] if one["faces"] < len(FACES) else f"{one['faces']} faces")
    told += [f"{name} {one[name]:g}" for name in MEASURES if name in one]
    return ", ".join(told)
