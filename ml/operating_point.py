"""Combination, calibration, cuts and limits of the vetoes, from validation images alone."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from ml import calibration, metrics, thresholds
from ml.calibration import Calibration
from ml.combination import Combination
from ml.datasets.manifest import Sample
from ml.decision import OperatingPoint
from ml.evaluation import APART
from ml.inference import DISTANCE, Prediction
from ml.judging import Judged
from ml.preprocess import Preprocessing

# The rate of false accusations must hold for these on their own, and not only in the pool.
HELD_APART = ("photographs",)

# Names from `ml.stability.TRANSFORMS`. Of one view of the whole picture: among 489 decided
# validation images of `paper_cnn`, scale_75 alone unsettled 10, jpeg_85 alone 3 and webp_85 alone
# 1, for 40 % of a judgement's cost. Of several views: harsher, as such networks are steadier.
STABILITY_TRANSFORMS = {False: ("jpeg_85", "scale_75"), True: ("jpeg_60", "scale_65")}

# A copy of several views may be less sure than its picture; it may not speak for the other side.
# Of 1,659 validation images, asking every copy for the same verdict decided 56 % as a mean over
# sources, this 67 %; 9.2 and 9.7 % of the decided were wrong.
STABILITY_SIDE = {False: None, True: 0.5}

# Cells whose reals must keep the rate of false accusations as well: reals are re-saved most.
RESAVED = ("jpeg_70", "scale_50")

# An eighth of a million pixels is what half-size copies of small portraits have.
SMALLEST_SIDE_PX = 96
WEIGHTS = (0.0, 0.5, 1.0, 2.0)
# 2/3 is the plain mean of a picture and both its copies. The largest share that costs at most
# this much AUC is taken: it steadies verdicts, which AUC does not see.
COPIES_SHARES = (2 / 3, 1 / 3, 0.0)
MAX_AUC_FOR_STEADINESS = 0.002
# Shares of validation pictures, as they are and re-saved, that the limits may leave outside.
OUTSIDE_DOMAIN, OUTSIDE_QUALITY = 0.005, 0.001


@dataclass(frozen=True)
class ErrorRates:
    """The shares of validation images that the two cuts may get wrong."""

    max_false_accusation_rate: float
    max_missed_fake_rate: float


# What is measured for every artifact unless somebody says other rates.
DEFAULT_RATES = ErrorRates(0.015, 0.10)


@dataclass(frozen=True)
class Fitted:
    """Everything about an artifact that was chosen on validation images."""

    combination: Combination
    calibration: Calibration
    face_calibration: Calibration | None
    operating_point: OperatingPoint


def images_needed(rates: ErrorRates) -> tuple[int, int]:
    """Real and fake validation images without which the rates cannot be stated.

    Below one over the rate, not even a single error would be within it: the cut would lie beyond
    the most extreme image that happened to be there.
    """
    return _least(rates.max_false_accusation_rate), _least(rates.max_missed_fake_rate)


def _least(rate: float) -> int:
    return math.ceil(1 / rate) if rate else 1


def blank(rules: Preprocessing) -> Fitted:
    """What decides nothing, until the cuts are known; copies of views are judged already."""
    is_of_views = rules.views != ("whole",)
    transforms = STABILITY_TRANSFORMS[True] if is_of_views else ()
    point = OperatingPoint(0.0, 2.0, 0.0, 0.0, stability_transforms=transforms)
    return Fitted(Combination(), Calibration(1.0, 0.0, 0.5, 0), None, point)


def fit(
    judged: Sequence[Judged],
    resaved: Mapping[str, Sequence[Judged]],
    rules: Preprocessing,
    rates: ErrorRates,
) -> Fitted:
    """Choose on validation pictures as they are, and hold the rate on re-saved reals too.

    Args:
        judged: all validation pictures as they are.
        resaved: the reals among them after each kind of saving again.
    Raises:
        ValueError: a row of another split is among them.
    """
    rows = [one.sample for one in judged]
    combination = fit_combination(rows, [one.prediction for one in judged])
    copies = [(_samples(part), combined(combination, part)) for part in resaved.values()]
    calibrated, point = fit_operating_point(
        rows, combined(combination, judged), rates, resaved=copies
    )
    is_of_views = rules.views != ("whole",)
    point = replace(
        point,
        min_side_px=SMALLEST_SIDE_PX if is_of_views else rules.size,
        stability_transforms=STABILITY_TRANSFORMS[is_of_views],
        stability_side=STABILITY_SIDE[is_of_views],
    )
    if is_of_views:
        everything = [*judged, *(one for part in resaved.values() for one in part)]
        point = _limited(point, [one.prediction for one in everything])
    return Fitted(combination, calibrated, _face_calibration(judged), point)


def fit_combination(rows: Sequence[Sample], found: Sequence[Prediction]) -> Combination:
    """Weights with the highest AUC, as a mean over the sources that hold both classes.

    Equal weights win ties: a difference that validation does not show is none. Copies, where they
    were judged, draw the logit as far as AUC hardly suffers.
    """
    tried = sorted(product(WEIGHTS, WEIGHTS), key=lambda pair: pair != (1.0, 1.0))
    has = {kind for one in found for kind, _ in one.view_logits}
    tried = [(c, f) for c, f in tried if ("cut" in has or c == 1) and ("face" in has or f == 1)]
    mean_auc = _mean_auc_of(rows, found)
    if mean_auc is None:
        return _with_faceless(Combination(), rows, found)
    rules = [Combination(cut=cut, face=face) for cut, face in tried]
    best = max(rules, key=mean_auc) if len(rules) > 1 else rules[0]
    if all(one.copy_logits for one in found):
        least = mean_auc(best) - MAX_AUC_FOR_STEADINESS
        drawn = (replace(best, copies=share) for share in COPIES_SHARES)
        best = next(rule for rule in drawn if mean_auc(rule) >= least)
    return _with_faceless(best, rows, found)


def _mean_auc_of(
    rows: Sequence[Sample], found: Sequence[Prediction]
) -> Callable[[Combination], float] | None:
    """What gives a rule's AUC as a mean over sources; None where no source holds both classes."""
    label, source = _labels(rows), _sources(rows)
    names = [name for name in sorted(set(source) - APART) if len(set(label[source == name])) == 2]

    def mean_auc(rule: Combination) -> float:
        logit = np.array([_combined(rule, one) for one in found])
        own = [metrics.auc(label[source == n], logit[source == n]).value for n in names]
        return round(float(np.mean(own)), 4)

    return mean_auc if names else None


def _with_faceless(
    rule: Combination, rows: Sequence[Sample], found: Sequence[Prediction]
) -> Combination:
    """The rule with logits of pictures with and without a face made to mean the same.

    Each group's own Platt scaling says what its logits mean; the faceless ones are mapped onto the
    others. Left as it is where a group lacks a class.
    """
    pool = ~np.isin(_sources(rows), list(APART))
    has_face = np.array([any(kind == "face" for kind, _ in one.view_logits) for one in found])
    logit, label = np.array([_combined(rule, one) for one in found]), _labels(rows)
    groups = [pool & has_face, pool & ~has_face]
    if any(len(set(label[group].tolist())) < 2 for group in groups):
        return rule
    faces, rest = (calibration.fit(logit[group], label[group]) for group in groups)
    if faces.slope <= 0:
        return rule
    return replace(
        rule,
        faceless_scale=max(0.0, rest.slope / faces.slope),
        faceless_offset=(rest.intercept - faces.intercept) / faces.slope,
    )


def combined(rule: Combination, judged: Sequence[Judged]) -> np.ndarray:
    """One logit a picture, shape (n,)."""
    return np.array([_combined(rule, one.prediction) for one in judged])


def fit_operating_point(
    rows: Sequence[Sample],
    logit: np.ndarray,
    rates: ErrorRates,
    *,
    resaved: Sequence[tuple[Sequence[Sample], np.ndarray]] = (),
) -> tuple[Calibration, OperatingPoint]:
    """Calibration and the two cuts from validation rows alone.

    Args:
        logit: of the rows' pictures, shape (n,).
        resaved: of re-saved copies, rows and logits of each kind; their reals keep the rate too.
    Raises:
        ValueError: a row of another split is among them.
    """
    everything = [(rows, logit), *resaved]
    if any(row.split != "val" for part, _ in everything for row in part):
        raise ValueError("thresholds may be chosen on validation rows alone")
    label, source = _labels(rows), _sources(rows)
    pool = ~np.isin(source, list(APART))
    calibrated = calibration.fit(logit[pool], label[pool])
    reals = [
        calibrated.probability(values[chosen])
        for part, values in everything
        for chosen in _real_sets(part)
        if chosen.any()
    ]
    fakes = calibrated.probability(logit)[pool & (label == 1)]
    low, high = thresholds.ordered(
        thresholds.authentic_below(fakes, rates.max_missed_fake_rate),
        thresholds.manipulated_from(reals, rates.max_false_accusation_rate),
    )
    return calibrated, OperatingPoint(
        authentic_below=low,
        manipulated_from=high,
        max_false_accusation_rate=rates.max_false_accusation_rate,
        max_missed_fake_rate=rates.max_missed_fake_rate,
    )


def _real_sets(rows: Sequence[Sample]) -> list[np.ndarray]:
    """Which rows are reals: in the pool, and in each source that must keep the rate on its own."""
    label, source = _labels(rows), _sources(rows)
    pool = ~np.isin(source, list(APART))
    return [pool & (label == 0), *(source == name for name in HELD_APART)]


def _labels(rows: Sequence[Sample]) -> np.ndarray:
    return np.array([row.label for row in rows])


def _sources(rows: Sequence[Sample]) -> np.ndarray:
    return np.array([row.source for row in rows])


def _samples(judged: Sequence[Judged]) -> list[Sample]:
    return [one.sample for one in judged]


def _combined(rule: Combination, one: Prediction) -> float:
    kinds, logit = zip(*one.view_logits, strict=True)
    alone = rule.combine(kinds, np.array(logit))
    if not (rule.copies and one.copy_logits):
        return alone
    again, own, copies = _copies(one)
    return rule.drawn(alone, rule.moved(again, own, copies))


def _copies(one: Prediction) -> tuple[list[str], np.ndarray, list[np.ndarray]]:
    """Kinds of the views that copies were judged by, the picture's own logits of them, theirs."""
    first = dict(reversed(one.view_logits))
    again = [kind for kind, _ in one.copy_logits[0]]
    own = np.array([first[kind] for kind in again])
    return again, own, [np.array([logit for _, logit in copy]) for copy in one.copy_logits]


def _limited(point: OperatingPoint, found: Sequence[Prediction]) -> OperatingPoint:
    figures = {
        name: np.array([one.quality[name] for one in found if name in one.quality])
        for name in ("blockiness", "detail", "flatness", "correlation", DISTANCE)
    }
    distance = figures[DISTANCE]
    return replace(
        point,
        max_blockiness=float(np.quantile(figures["blockiness"], 1 - OUTSIDE_QUALITY)),
        min_detail=float(np.quantile(figures["detail"], OUTSIDE_QUALITY)),
        max_flatness=float(np.quantile(figures["flatness"], 1 - OUTSIDE_QUALITY)),
        min_correlation=float(np.quantile(figures["correlation"], OUTSIDE_QUALITY)),
        max_distance=float(np.quantile(distance, 1 - OUTSIDE_DOMAIN)) if distance.size else None,
    )


def _face_calibration(judged: Sequence[Judged]) -> Calibration | None:
    """Of the largest face alone, over the pictures that have one."""
    logits, labels = [], []
    for one in judged:
        faces = [logit for kind, logit in one.prediction.view_logits if kind == "face"]
        if faces and one.sample.source not in APART:
            logits.append(faces[0])
            labels.append(one.sample.label)
    label = np.array(labels)
    if len(set(labels)) < 2:
        return None
    return calibration.fit(np.array(logits), label)
