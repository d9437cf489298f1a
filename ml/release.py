"""Whether a candidate may follow the model that judges, by what `ml.comparison` found."""

from collections.abc import Iterator, Mapping
from typing import Any

from ml.evaluation import POOLED

# So many more reals may be accused, in shares of all reals, for the difference to count as none.
ACCUSATION_MARGIN = 0.02
# By so much the stated probability may lie further from the observed share, on average.
CALIBRATION_MARGIN = 0.02
# Fewer reals cannot rule out a harm as large as the margin: 3 / n, by the rule of three.
LEAST_REALS = 150
LEAST_PER_SOURCE = 30

NOT_ENOUGH = "not_enough_to_tell"
ACCUSES = "more_accusations"
SOURCE_WORSE = "source_worse"
DAMAGE_WORSE = "damage_worse"
CALIBRATED_WORSE = "worse_calibrated"
GOLDEN_WORSE = "golden_worse"
GOLDEN_MOVED = "golden_scores_moved"
UPSIDE_DOWN = "upside_down"
CODES = (
    NOT_ENOUGH,
    ACCUSES,
    SOURCE_WORSE,
    DAMAGE_WORSE,
    CALIBRATED_WORSE,
    GOLDEN_WORSE,
    GOLDEN_MOVED,
    UPSIDE_DOWN,
)
# Which way each figure is better.
RISES, FALLS = ("right", "auc"), ("wrong",)

Obstacle = dict[str, Any]


def obstacles(found: Mapping[str, Any]) -> list[Obstacle]:
    """Why the candidate may not be promoted; empty if it may.

    Each has a `code`, and where they apply `source` or `damage`, `figure` with its `before`,
    `after`, `low`, `high` and `n`, and how many images were `needed`.

    Args:
        found: of `ml.comparison.compare`, with `golden` where the desk keeps golden images and
            `moved`, the golden scores that the candidate no longer gives, and `slope`, what the
            candidate's calibration makes of its score.
    """
    return [
        *_accusations(found),
        *_sources(found.get("sources", {})),
        *_damage(found.get("damage", {})),
        *_calibration(found.get("sources", {}).get(POOLED)),
        *_golden(found),
        *_upside_down(found),
    ]


def _accusations(found: Mapping[str, Any]) -> Iterator[Obstacle]:
    """Reals as they are and under each kind of damage must not be accused more often."""
    whole = found.get("sources", {}).get(POOLED)
    n_real = whole["n_real"] if whole else 0
    if whole is None or n_real < LEAST_REALS:
        about = {"figure": "false_accusations", "n": n_real, "needed": LEAST_REALS}
        yield {"code": NOT_ENOUGH, **about}
    if whole is not None:
        yield from _more_accused(whole, {}, is_enough=n_real >= LEAST_REALS)
    for cell, row in found.get("damage", {}).items():
        yield from _more_accused(row, {"damage": cell}, is_enough=n_real >= LEAST_REALS)


def _more_accused(row: Any, where: Obstacle, *, is_enough: bool) -> Iterator[Obstacle]:
    figure = row["figures"]["false_accusations"]
    if figure["difference"] is None:
        return
    about = {**where, **_told("false_accusations", figure)}
    if figure["low"] > 0 or figure["difference"] > ACCUSATION_MARGIN:
        yield {"code": ACCUSES, **about}
    elif is_enough and figure["high"] > ACCUSATION_MARGIN:
        yield {"code": NOT_ENOUGH, **about}


def _sources(sources: Mapping[str, Any]) -> Iterator[Obstacle]:
    for source, row in sources.items():
        if source != POOLED and row["n"] < LEAST_PER_SOURCE:
            yield {
                "code": NOT_ENOUGH,
                "source": source,
                "n": row["n"],
                "needed": LEAST_PER_SOURCE,
            }
        yield from _fallen(SOURCE_WORSE, {"source": source}, row)


def _damage(damage: Mapping[str, Any]) -> Iterator[Obstacle]:
    for cell, row in damage.items():
        yield from _fallen(DAMAGE_WORSE, {"damage": cell}, row)


def _fallen(code: str, where: Obstacle, row: Any) -> Iterator[Obstacle]:
    """The figures that are worse beyond their interval."""
    for name in RISES:
        if (high := row["figures"][name]["high"]) is not None and high < 0:
            yield {"code": code, **where, **_told(name, row["figures"][name])}
    for name in FALLS:
        if (low := row["figures"][name]["low"]) is not None and low > 0:
            yield {"code": code, **where, **_told(name, row["figures"][name])}


def _calibration(whole: Any) -> Iterator[Obstacle]:
    if whole is None:
        return
    figure = whole["figures"]["calibration_error"]
    if figure["difference"] is None:
        # it states no probability at all, where the other did
        if figure["before"] is not None:
            yield {"code": CALIBRATED_WORSE, **_told("calibration_error", figure)}
        return
    if figure["difference"] > CALIBRATION_MARGIN:
        yield {"code": CALIBRATED_WORSE, **_told("calibration_error", figure)}


def _golden(found: Mapping[str, Any]) -> Iterator[Obstacle]:
    if found.get("moved"):
        yield {"code": GOLDEN_MOVED, "n": len(found["moved"])}
    golden = found.get("golden") or {}
    before, after = golden.get("wrong_before", 0), golden.get("wrong_after", 0)
    if after > before:
        yield {"code": GOLDEN_WORSE, "before": before, "after": after, "n": golden["n"]}


def _upside_down(found: Mapping[str, Any]) -> Iterator[Obstacle]:
    """Where a higher score is less likely a fake, it learnt nothing, whatever its figures are."""
    slope = found.get("slope")
    if slope is not None and slope <= 0:
        yield {"code": UPSIDE_DOWN, "slope": round(slope, 4)}


def _told(name: str, figure: Mapping[str, Any]) -> Obstacle:
    return {"figure": name, **{key: figure[key] for key in ("before", "after", "low", "high", "n")}}
