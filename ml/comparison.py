"""Two networks on the same labelled images: every figure of both, and their paired difference.

Intervals come from drawing whole groups again (images of one original hang together), the same
draw for both networks. Where not one image was answered otherwise, a draw shows no spread at all;
then the rule of three bounds what so many groups could have missed.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8; the rule of three:
Hanley and Lippman-Hand, JAMA 249, 1983.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np

from ml.decision import Verdict
from ml.evaluation import APART, CALIBRATION_BINS, POOLED
from ml.judging import CLEAN

DRAWS = 1000
SEED = 1
RULE_OF_THREE = 3.0
BEFORE, AFTER = 0, 1


@dataclass(frozen=True)
class Answer:
    """What one network said of one picture; `probability` is None where a veto prevented it."""

    verdict: str
    probability: float | None
    score: float


@dataclass(frozen=True)
class Compared:
    """One labelled image as both networks judged it.

    Attributes:
        label: 1 = fake, 0 = real.
        group: images of one original.
        cells: by kind of damage, the answer before and the answer after.
        cpu_ms: processor time of both for the picture as it is.
    """

    label: int
    source: str
    group: str
    cells: Mapping[str, tuple[Answer, Answer]]
    cpu_ms: tuple[float, float]


def compare(images: Sequence[Compared]) -> dict[str, Any]:
    """Per source, per kind of damage, over all copies, and the processor time; JSON."""
    pooled = [one for one in images if one.source not in APART]
    slices = {POOLED: pooled}
    for source in sorted({one.source for one in images}):
        slices[source] = [one for one in images if one.source == source]
    cells = sorted({cell for one in images for cell in one.cells} - {CLEAN})
    return {
        "n": len(images),
        "sources": {name: _slice(rows, CLEAN) for name, rows in slices.items() if rows},
        "damage": {cell: _slice(pooled, cell) for cell in cells if pooled},
        "copies": _copies(pooled, cells) if pooled and cells else {},
        "speed": _speed(images),
    }


@dataclass(frozen=True)
class _Said:
    """The answers of one network on some images, as arrays (n,)."""

    label: np.ndarray
    is_accused: np.ndarray
    is_cleared: np.ndarray
    probability: np.ndarray  # NaN where none was stated
    score: np.ndarray

    @property
    def is_decided(self) -> np.ndarray:
        return self.is_accused | self.is_cleared

    @property
    def is_right(self) -> np.ndarray:
        return np.where(self.label == 1, self.is_accused, self.is_cleared)

    @property
    def is_wrong(self) -> np.ndarray:
        return np.where(self.label == 1, self.is_cleared, self.is_accused)


# Values of a figure, one for each row of weights (draws, n).
_Figure = Callable[[_Said, np.ndarray], np.ndarray]


def _slice(images: Sequence[Compared], cell: str) -> dict[str, Any]:
    rows = [one for one in images if cell in one.cells]
    label = np.array([one.label for one in rows])
    said = [_said(rows, cell, which, label) for which in (BEFORE, AFTER)]
    groups = np.array([one.group for one in rows])
    drawn = _drawn(groups)
    return {
        "n": len(rows),
        "n_real": int((label == 0).sum()),
        "n_fake": int((label == 1).sum()),
        "groups": np.unique(groups).size,
        "figures": {
            **{name: _share(said, drawn, groups, *of) for name, of in SHARES.items()},
            **{name: _figure(said, drawn, figure) for name, figure in FIGURES.items()},
        },
    }


def _said(rows: Sequence[Compared], cell: str, which: int, label: np.ndarray) -> _Said:
    answers = [one.cells[cell][which] for one in rows]
    verdicts = np.array([str(one.verdict) for one in answers])
    stated = [np.nan if one.probability is None else one.probability for one in answers]
    return _Said(
        label,
        verdicts == str(Verdict.LIKELY_MANIPULATED),
        verdicts == str(Verdict.LIKELY_AUTHENTIC),
        np.array(stated, float),
        np.array([one.score for one in answers], float),
    )


def _drawn(groups: np.ndarray) -> np.ndarray:
    """How often each image is in each draw (draws, n); the first row is the images as they are."""
    names, of = np.unique(groups, return_inverse=True)
    generator = np.random.default_rng(SEED)
    counts = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)
    return np.vstack([np.ones((1, len(groups))), counts[:, of]]).astype(float)


_Mask = Callable[[_Said], np.ndarray]


def _everything(said: _Said) -> np.ndarray:
    return np.ones(said.label.size, bool)


# Shares: what is counted, and among which images; these are the same for both networks.
SHARES: dict[str, tuple[_Mask, _Mask]] = {
    "right": (lambda said: said.is_right, _everything),
    "wrong": (lambda said: said.is_wrong, _everything),
    "coverage": (lambda said: said.is_decided, _everything),
    "false_accusations": (lambda said: said.is_accused, lambda said: said.label == 0),
    "fakes_missed": (lambda said: said.is_cleared, lambda said: said.label == 1),
}


def _share(
    said: Sequence[_Said], drawn: np.ndarray, groups: np.ndarray, counted: _Mask, among: _Mask
) -> dict[str, Any]:
    inside = among(said[BEFORE])
    hits = [counted(one) & inside for one in said]
    values = [_ratio(drawn @ hit, drawn @ inside) for hit in hits]
    is_same = inside.any() and (hits[0] == hits[1]).all()
    least = RULE_OF_THREE / np.unique(groups[inside]).size if is_same else 0.0
    return _difference(values, n=int(inside.sum()), least=least)


def _figure(said: Sequence[_Said], drawn: np.ndarray, figure: _Figure) -> dict[str, Any]:
    return _difference([figure(one, drawn) for one in said], n=said[BEFORE].label.size)


def _difference(values: Sequence[np.ndarray], *, n: int, least: float = 0.0) -> dict[str, Any]:
    """Both values, their difference and its 95 % interval.

    Args:
        values: of both networks, the first of each from the images as they are.
        least: half of the narrowest interval that so many groups allow.
    """
    change = values[AFTER] - values[BEFORE]
    known = change[1:][~np.isnan(change[1:])]
    low, high = np.quantile(known, (0.025, 0.975)) if known.size else (np.nan, np.nan)
    return {
        "before": _number(values[BEFORE][0]),
        "after": _number(values[AFTER][0]),
        "difference": _number(change[0]),
        "low": _number(min(low, change[0] - least)),
        "high": _number(max(high, change[0] + least)),
        "n": n,
    }


def _ratio(counted: np.ndarray, among: np.ndarray) -> np.ndarray:
    return np.divide(counted, among, out=np.full(counted.shape, np.nan), where=among > 0)


def _decided_error(said: _Said, drawn: np.ndarray) -> np.ndarray:
    """Share of wrong ones among the verdicts that were given."""
    return _ratio(drawn @ said.is_wrong, drawn @ said.is_decided)


def _auc(said: _Said, drawn: np.ndarray) -> np.ndarray:
    """Chance that a fake scores above a real, ties counting half."""
    order = np.argsort(said.score, kind="stable")
    ordered = said.score[order]
    starts = np.flatnonzero(np.append(True, np.diff(ordered) != 0))
    weight, is_fake = drawn[:, order], said.label[order] == 1
    fakes = np.add.reduceat(weight * is_fake, starts, axis=1)
    reals = np.add.reduceat(weight * ~is_fake, starts, axis=1)
    below = np.cumsum(reals, axis=1) - reals
    pairs = fakes.sum(axis=1) * reals.sum(axis=1)
    return _ratio((fakes * (below + reals / 2)).sum(axis=1), pairs)


def _calibration_error(said: _Said, drawn: np.ndarray) -> np.ndarray:
    """As `ml.metrics.calibration_error`, over the images with a probability."""
    is_stated = ~np.isnan(said.probability)
    probability = np.where(is_stated, said.probability, 0.0)
    bins = np.minimum((probability * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gap = np.where(is_stated, probability - said.label, 0.0)
    by_bin = (bins[:, None] == np.arange(CALIBRATION_BINS)) * gap[:, None]
    return _ratio(np.abs(drawn @ by_bin).sum(axis=1), drawn @ is_stated)


FIGURES: dict[str, _Figure] = {
    "decided_error": _decided_error,
    "auc": _auc,
    "calibration_error": _calibration_error,
}


def _copies(images: Sequence[Compared], cells: Sequence[str]) -> dict[str, Any]:
    """Images of which some altered copy got another verdict, and the opposite one."""
    groups = np.array([one.group for one in images])
    drawn = _drawn(groups)
    figures = {}
    for name, is_moved in (("any_changed", _is_changed), ("any_reversed", _is_reversed)):
        moved = [
            np.array([_any_copy(one, cells, which, is_moved) for one in images])
            for which in (BEFORE, AFTER)
        ]
        values = [_ratio(drawn @ each, drawn.sum(axis=1)) for each in moved]
        least = RULE_OF_THREE / np.unique(groups).size if (moved[0] == moved[1]).all() else 0.0
        figures[name] = _difference(values, n=len(images), least=least)
    return figures


def _any_copy(
    one: Compared, cells: Sequence[str], which: int, is_moved: Callable[[str, str], bool]
) -> bool:
    own = one.cells[CLEAN][which].verdict
    return any(is_moved(own, one.cells[cell][which].verdict) for cell in cells if cell in one.cells)


def _is_changed(own: str, copy: str) -> bool:
    return own != copy


def _is_reversed(own: str, copy: str) -> bool:
    return own != copy and str(Verdict.INCONCLUSIVE) not in (own, copy)


def _speed(images: Sequence[Compared]) -> dict[str, Any]:
    """Processor time a picture takes, its mean and standard deviation over so many."""
    if not images:
        return {"n": 0}
    times = np.array([one.cpu_ms for one in images])
    names = ("before", "after")
    return {
        "n": len(images),
        **{name: round(float(times[:, at].mean()), 1) for at, name in enumerate(names)},
        **{f"{name}_sd": round(float(times[:, at].std()), 1) for at, name in enumerate(names)},
    }


def _number(value: float) -> float | None:
    return None if isnan(value) else round(float(value), 4)
