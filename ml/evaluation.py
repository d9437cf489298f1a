"""A report on a labelled split: pooled and per source, each figure with its n and interval."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from math import isnan
from typing import Any

import numpy as np

from ml import metrics
from ml.datasets.manifest import Sample
from ml.decision import Verdict
from ml.judging import Judged

POOLED = "all"
# Reals passed through an autoencoder: nobody saw them as a manipulation, so they are reported
# beside the pool and never in it.
APART = frozenset({"autoencoder"})
SCORE_CUT = 0.5
CHANCE = 0.5  # AUC of guessing
CALIBRATION_BINS = 15
FALSE_POSITIVE_RATE = 0.05


def verdict_report(judged: Sequence[Judged]) -> dict[str, Any]:
    """Pooled and per source: how well images rank, and what the verdicts get right and wrong."""
    pooled = [one for one in judged if one.sample.source not in APART]
    report = {POOLED: _verdict_slice(pooled)}
    for source in sorted({one.sample.source for one in judged}):
        report[source] = _verdict_slice([one for one in judged if one.sample.source == source])
    return report


def method_report(judged: Sequence[Judged]) -> dict[str, Any]:
    """The fakes of each method beside all reals of their source."""
    report = {}
    for source, method in sorted({(one.sample.source, _method(one)) for one in judged}):
        own = [one for one in judged if one.sample.source == source]
        chosen = [one for one in own if one.sample.label == 0 or _method(one) == method]
        if method:
            report[f"{source}: {method}"] = _verdict_slice(chosen)
    return report


def moved_report(before: Sequence[Judged], after: Sequence[Judged]) -> dict[str, Any]:
    """How many verdicts some alteration moved.

    Args:
        before: the pictures as they are.
        after: the same pictures altered, in the same order.
    """
    pairs = [
        (old.prediction.verdict, new.prediction.verdict)
        for old, new in zip(before, after, strict=True)
        if old.sample.source not in APART
    ]
    unsure = Verdict.INCONCLUSIVE
    given = [(old, new) for old, new in pairs if old is not unsure]
    withdrawn = sum(new is unsure for _, new in given)
    changed = sum(new is not old for old, new in pairs)
    return {
        "verdicts_withdrawn": _json(metrics.rate(withdrawn, len(given))),
        "verdicts_reversed": _json(metrics.rate(_reversed(given), len(given))),
        "verdicts_changed": _json(metrics.rate(changed, len(pairs))),
        "coverage_kept": _ratio(sum(new is not unsure for _, new in pairs), len(given)),
    }


def copies_report(cells: Mapping[str, Sequence[Judged]]) -> dict[str, Any]:
    """Over all altered copies of each picture: how many saw any change of verdict.

    Args:
        cells: judged pictures by cell, all in one order; the first cell is the originals.
    """
    rows = [row for row in zip(*cells.values(), strict=True) if row[0].sample.source not in APART]
    verdicts = [[one.prediction.verdict for one in row] for row in rows]
    reversed_ = sum(_reversed([(row[0], new) for new in row[1:]]) > 0 for row in verdicts)
    changed = sum(len(set(row)) > 1 for row in verdicts)
    decided = sum(row[0] is not Verdict.INCONCLUSIVE for row in verdicts)
    copies = [new is not Verdict.INCONCLUSIVE for row in verdicts for new in row[1:]]
    return {
        "any_reversed": _json(metrics.rate(reversed_, len(rows))),
        "any_changed": _json(metrics.rate(changed, len(rows))),
        "coverage_kept": _ratio(sum(copies), decided * (len(cells) - 1)),
    }


def _reversed(pairs: Sequence[tuple[Verdict, Verdict]]) -> int:
    unsure = Verdict.INCONCLUSIVE
    return sum(old is not new and unsure not in (old, new) for old, new in pairs)


def _ratio(count: int, of: int) -> float | None:
    return round(count / of, 4) if of else None


def _method(one: Judged) -> str:
    """A method's name, without the file that each autoencoder fake was made from."""
    if one.sample.label == 0:
        return ""
    return one.sample.method.split(" of ")[0] or "not stated"


def measured_limits(report: dict[str, Any]) -> list[str]:
    """Sentences on the sources that a report shows the network cannot judge."""
    blind = [
        source
        for source, row in report.items()
        if row["auc"]["value"] is not None and row["auc"]["low"] <= CHANCE
    ]
    if not blind:
        return []
    return [
        f"Among test images of {', '.join(blind)} it told fakes from reals no better than chance: "
        "the 95 % interval of the AUC reaches down to 0.5."
    ]


def score_report(samples: Sequence[Sample], score: np.ndarray) -> dict[str, Any]:
    """Pooled and per source: the plain classifier of the original work, cut at a score of 0.5."""
    label = np.array([sample.label for sample in samples])
    source = np.array([sample.source for sample in samples])
    report = {POOLED: classification(label, score)}
    for name in sorted(set(source)):
        report[str(name)] = classification(label[source == name], score[source == name])
    return report


def classification(label: np.ndarray, score: np.ndarray) -> dict[str, Any]:
    """Accuracy, precision, recall, F1, AUC and confusion of a score cut at 0.5."""
    counts = metrics.confusion(label, score >= SCORE_CUT)
    return {
        "n": counts.n,
        "n_fake": int(label.sum()),
        "accuracy": _json(metrics.accuracy(counts)),
        "precision": _json(metrics.precision(counts)),
        "recall": _json(metrics.recall(counts)),
        "f1": _number(metrics.f1(counts)),
        "auc": _json(metrics.auc(label, score)),
        "confusion": asdict(counts),
    }


def _verdict_slice(judged: Sequence[Judged]) -> dict[str, Any]:
    label = np.array([one.sample.label for one in judged])
    score = np.array([one.prediction.score for one in judged])
    return {
        **classification(label, score),
        "recall_at_5": _json(metrics.recall_at(label, score, FALSE_POSITIVE_RATE)),
        **_calibration(judged),
        **_decisions(judged),
    }


def _calibration(judged: Sequence[Judged]) -> dict[str, Any]:
    stated = [one for one in judged if one.prediction.probability is not None]
    if not stated:
        return {}
    probability = np.array([one.prediction.probability for one in stated], dtype=float)
    label = np.array([one.sample.label for one in stated])
    figures = {
        "brier_error": metrics.brier_error(probability, label),
        "calibration_error": metrics.calibration_error(probability, label),
    }
    if label.size >= 2 * CALIBRATION_BINS:
        figures["debiased_calibration_error"] = metrics.debiased_calibration_error(
            probability, label, bins=CALIBRATION_BINS
        )
        figures["calibration_floor"] = metrics.calibration_floor(probability, bins=CALIBRATION_BINS)
    return figures


def _decisions(judged: Sequence[Judged]) -> dict[str, Any]:
    reals = [one.prediction.verdict for one in judged if one.sample.label == 0]
    fakes = [one.prediction.verdict for one in judged if one.sample.label == 1]
    decided = [one for one in judged if one.prediction.verdict is not Verdict.INCONCLUSIVE]
    right = [one for one in decided if _is_right(one)]
    return {
        "coverage": _json(metrics.rate(len(decided), len(judged))),
        "decided_accuracy": _json(metrics.rate(len(right), len(decided))),
        "false_accusations": _share(reals, Verdict.LIKELY_MANIPULATED),
        "reals_cleared": _share(reals, Verdict.LIKELY_AUTHENTIC),
        "fakes_missed": _share(fakes, Verdict.LIKELY_AUTHENTIC),
        "fakes_caught": _share(fakes, Verdict.LIKELY_MANIPULATED),
        "vetoes": dict(Counter(code for one in judged for code in one.prediction.reasons)),
    }


def _is_right(one: Judged) -> bool:
    wanted = (Verdict.LIKELY_AUTHENTIC, Verdict.LIKELY_MANIPULATED)[one.sample.label]
    return one.prediction.verdict is wanted


def _share(verdicts: Iterable[Verdict], wanted: Verdict) -> dict[str, Any]:
    listed = list(verdicts)
    return _json(metrics.rate(listed.count(wanted), len(listed)))


def _json(estimate: metrics.Estimate) -> dict[str, Any]:
    values = {name: _number(value) for name, value in asdict(estimate).items() if name != "n"}
    return {**values, "n": estimate.n}


def _number(value: float) -> float | None:
    # JSON knows no NaN: a figure that nothing was counted for is null.
    return None if isnan(value) else round(value, 4)
