"""One report on a detector: per source, per method, per kind of damage, beside a peer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml import metrics
from ml.artifact import Artifact, artifact_sha256
from ml.datasets.manifest import Sample
from ml.decision import OperatingPoint, Verdict
from ml.evaluation import (
    APART,
    POOLED,
    copies_report,
    method_report,
    moved_report,
    verdict_report,
)
from ml.faithfulness import faithfulness
from ml.judging import CLEAN, Judged, judge
from ml.progress import Report

FAILURES_SHOWN = 24
CURVE_POINTS = 100


@dataclass(frozen=True)
class Scope:
    """What a report covers.

    Attributes:
        cells: names from `ml.alterations.ALTERATIONS`, beside the pictures as they are.
        copies: those of them that are ordinary re-saved copies.
        is_faithfulness_checked: whether masking what the evidence marks is compared with chance.
    """

    cells: tuple[str, ...]
    copies: tuple[str, ...]
    is_faithfulness_checked: bool = True


def build_report(
    artifact: Path,
    samples: Sequence[Sample],
    scope: Scope,
    report: Report,
    *,
    peers: Sequence[Path] = (),
) -> dict[str, Any]:
    """Judge and count; every figure with its n and 95 % interval.

    Args:
        artifact: folder of the artifact, which the caller vouches for.
        peers: artifacts that judge the same pictures, as they are.
    """
    point = _read(artifact).operating_point
    cells = (CLEAN, *scope.cells)
    judged = judge(artifact, samples, lambda a, b: report("judged", a, b), cells)
    clean = judged[CLEAN]
    result: dict[str, Any] = {
        "artifact": _identity(artifact),
        "n": len(samples),
        "cells": {cell: verdict_report(judged[cell]) for cell in cells},
        "methods": method_report(clean),
        "moved": {cell: moved_report(clean, judged[cell]) for cell in scope.cells},
        "copies": copies_report({cell: judged[cell] for cell in (CLEAN, *scope.copies)}),
        "vetoes": _vetoes(clean, point),
        "curves": _curves(clean),
        "failures": _failures(clean),
        "peers": {},
    }
    if scope.is_faithfulness_checked:
        result["faithfulness"] = faithfulness(artifact, clean)
    for peer in peers:
        own = judge(peer, samples, lambda a, b: report("judged by the peer", a, b))[CLEAN]
        identity = _identity(peer)
        result["peers"][f"{identity['name']} {identity['version']}"] = verdict_report(own)
    return result


def _read(folder: Path) -> Artifact:
    return Artifact.read(folder, registered={artifact_sha256(folder)})


def _identity(folder: Path) -> dict[str, str]:
    artifact = _read(folder)
    return {"name": artifact.name, "version": artifact.version, "sha256": artifact.sha256}


def _vetoes(judged: Sequence[Judged], point: OperatingPoint) -> dict[str, Any]:
    """What each veto costs in coverage and buys in errors: verdicts that it alone withheld."""
    counted = [one for one in judged if one.sample.source not in APART]
    codes = sorted({code for one in counted for code in one.prediction.reasons})
    result = {}
    for code in codes:
        alone = [one for one in counted if one.prediction.reasons == (code,)]
        stated = [(one.prediction.probability, one) for one in alone]
        sides = [(point.compare(p), one) for p, one in stated if p is not None]
        withheld = [side is _truth(one) for side, one in sides if side is not Verdict.INCONCLUSIVE]
        result[code] = {
            "raised": sum(code in one.prediction.reasons for one in counted),
            "withheld": len(withheld),
            "withheld_wrong": withheld.count(False),
        }
    return result


def _truth(one: Judged) -> Verdict:
    return (Verdict.LIKELY_AUTHENTIC, Verdict.LIKELY_MANIPULATED)[one.sample.label]


def _curves(judged: Sequence[Judged]) -> dict[str, Any]:
    pooled = [one for one in judged if one.sample.source not in APART]
    roc = {}
    for source in [POOLED, *sorted({one.sample.source for one in pooled})]:
        own = [one for one in pooled if source in (POOLED, one.sample.source)]
        label = np.array([one.sample.label for one in own])
        if len(set(label.tolist())) == 2:
            roc[source] = _thinned(*metrics.roc(label, np.array([o.prediction.score for o in own])))
    stated = [one for one in pooled if one.prediction.probability is not None]
    probability = np.array([one.prediction.probability for one in stated], float)
    label = np.array([one.sample.label for one in stated])
    bins = metrics.reliability(probability, label) if stated else []
    return {
        "roc": roc,
        "reliability": [
            {"probability": p, "share": e.value, "low": e.low, "high": e.high, "n": e.n}
            for p, e in bins
        ],
        "probability": {
            name: np.histogram(probability[label == value], 20, (0, 1))[0].tolist()
            for name, value in (("real", 0), ("fake", 1))
        },
    }


def _thinned(false: np.ndarray, true: np.ndarray) -> list[list[float]]:
    rows = np.unique(np.linspace(0, len(false) - 1, CURVE_POINTS).astype(int))
    return np.round(np.stack([false[rows], true[rows]], axis=1), 4).tolist()


def _failures(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """The verdicts that were wrong, the surest first, each described without its picture."""
    counted = [one for one in judged if one.sample.source not in APART]
    wrong = [
        one for one in counted if one.prediction.verdict not in (Verdict.INCONCLUSIVE, _truth(one))
    ]
    ordered = sorted(wrong, key=lambda one: -abs(one.prediction.logit))
    return [
        {
            "file": one.sample.path.name,
            "source": one.sample.source,
            "method": one.sample.method,
            "label": ("real", "fake")[one.sample.label],
            "verdict": str(one.prediction.verdict),
            "probability": round(float(one.prediction.probability or 0), 4),
            "faces": len(one.prediction.faces),
            **{name: round(value, 2) for name, value in one.prediction.quality.items()},
        }
        for one in ordered[:FAILURES_SHOWN]
    ]
