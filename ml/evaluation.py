"""A report on a labelled split: pooled and per source, each figure with its n and interval."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from math import isnan
from typing import Any

import numpy as np
from PIL import Image

from ml import metrics
from ml.datasets.arrays import decode_checked
from ml.datasets.manifest import Sample
from ml.decision import Verdict
from ml.decoder import Decoded, Decoder
from ml.inference import Prediction, Predictor
from ml.stability import jpeg, scaled, webp

POOLED = "all"
# Reals passed through an autoencoder: nobody saw them as a manipulation, so they are reported
# beside the pool and never in it.
APART = frozenset({"autoencoder"})
SCORE_CUT = 0.5
CHANCE = 0.5  # AUC of guessing


# What happens to pictures on their way through publishing tools, harsher than the stability
# transforms: every report says how the figures stand after each.
Alteration = Callable[[Image.Image], Image.Image]
DEGRADATIONS: dict[str, Alteration] = {
    "jpeg_50": lambda image: jpeg(image, 50),
    "webp_50": lambda image: webp(image, 50),
    "scale_60": lambda image: scaled(image, 0.6),
}


@dataclass(frozen=True)
class Judged:
    """One labelled image and what a network said of it."""

    sample: Sample
    prediction: Prediction


def judge(
    predictor: Predictor,
    samples: Sequence[Sample],
    on_step: Callable[[int, int], None],
    alter: Alteration | None = None,
) -> list[Judged]:
    """Judge files exactly as they are judged when serving.

    Args:
        alter: damages each decoded picture first.
    Raises:
        DatasetError: a file is not the one that was listed.
        UnreadableImage: a file cannot be decoded.
    """
    judged = []
    with Decoder() as decoder:
        for done, sample in enumerate(samples, start=1):
            decoded = decode_checked(decoder, sample)
            shown = _altered(decoded, alter) if alter else decoded
            judged.append(Judged(sample, predictor.predict([shown])[0]))
            on_step(done, len(samples))
    return judged


def verdict_report(judged: Sequence[Judged]) -> dict[str, Any]:
    """Pooled and per source: how well images rank, and what the verdicts get right and wrong."""
    pooled = [one for one in judged if one.sample.source not in APART]
    report = {POOLED: _verdict_slice(pooled)}
    for source in sorted({one.sample.source for one in judged}):
        report[source] = _verdict_slice([one for one in judged if one.sample.source == source])
    return report


def degraded_report(before: Sequence[Judged], after: Sequence[Judged]) -> dict[str, Any]:
    """The pooled report after some damage, and how many verdicts it moved.

    Args:
        before: the pictures as they are.
        after: the same pictures damaged, in the same order.
    """
    pairs = [
        (old.prediction.verdict, new.prediction.verdict)
        for old, new in zip(before, after, strict=True)
        if old.sample.source not in APART and old.prediction.verdict is not Verdict.INCONCLUSIVE
    ]
    withdrawn = sum(new is Verdict.INCONCLUSIVE for _, new in pairs)
    reversed_ = sum(new is not old for old, new in pairs) - withdrawn
    return {
        **verdict_report(after)[POOLED],
        "verdicts_withdrawn": _json(metrics.rate(withdrawn, len(pairs))),
        "verdicts_reversed": _json(metrics.rate(reversed_, len(pairs))),
    }


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


def _altered(decoded: Decoded, alter: Alteration) -> Decoded:
    image = alter(Image.fromarray(decoded.pixels))
    facts = replace(decoded.facts, width=image.width, height=image.height)
    return Decoded(np.asarray(image), facts)


def _verdict_slice(judged: Sequence[Judged]) -> dict[str, Any]:
    label = np.array([one.sample.label for one in judged])
    score = np.array([one.prediction.score for one in judged])
    return {**classification(label, score), **_calibration(judged), **_decisions(judged)}


def _calibration(judged: Sequence[Judged]) -> dict[str, Any]:
    stated = [one for one in judged if one.prediction.probability is not None]
    if not stated:
        return {}
    probability = np.array([one.prediction.probability for one in stated], dtype=float)
    label = np.array([one.sample.label for one in stated])
    return {
        "brier_error": metrics.brier_error(probability, label),
        "calibration_error": metrics.calibration_error(probability, label),
    }


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
