"""Rules that say whether this desk's verdicts are what they were; thresholds stand in `BOUNDS`.

Each looks at the last seven days, today included, and never says that something is well where too
little was counted to tell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

from detection.drift import Stability, rise, stability, wilson
from detection.models import Detection
from detection.services.period_figures import Counts, added_up

Day = tuple[date, Counts]
Verdict = Detection.Verdict

NOW_DAYS, REFERENCE_DAYS, FIRST_DAYS, REVIEW_DAYS = 7, 56, 28, 28
BOUNDS: dict[str, float] = {
    "stability_index": 0.2,
    "scores": 200,
    "reference_scores": 500,
    "verdicts": 100,
    "reference_verdicts": 200,
    "inconclusive_rise": 0.03,
    "failed_rise": 0.02,
    "reviews": 20,
    "disagreement": 0.2,
    "accusation": 0.05,
}


@dataclass(frozen=True)
class Finding:
    """What one rule says.

    Attributes:
        is_raised: None where too little was counted to tell.
        figures: what it saw; JSON.
    """

    rule: str
    is_raised: bool | None
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Times:
    """The days that rules compare.

    Attributes:
        now: the last seven.
        reference: the eight weeks before them.
        first: of the model that judged most now, its first four weeks, as far as they lie before.
        reviewed: the last four weeks, in which reviews are counted.
        model: that model's id; empty where nothing was judged.
    """

    now: Counts
    reference: Counts
    first: Counts
    reviewed: Counts
    model: str


def findings(days: Sequence[Day], today: date) -> list[Finding]:
    """What every rule says of counted days.

    Args:
        days: all that were counted, oldest first.
        today: the last of the seven days.
    """
    times = _times(days, today)
    return [rule(times) for rule in RULES]


def agreement(reviews: Mapping[str, int]) -> tuple[int, int]:
    """How often reviewers decided as the detector had, of the times when both decided."""
    same = _of(reviews, "authentic", Verdict.LIKELY_AUTHENTIC)
    same += _of(reviews, "manipulated", Verdict.LIKELY_MANIPULATED)
    other = _of(reviews, "authentic", Verdict.LIKELY_MANIPULATED)
    other += _of(reviews, "manipulated", Verdict.LIKELY_AUTHENTIC)
    return same, same + other


def accusations(reviews: Mapping[str, int]) -> tuple[int, int]:
    """How many images that reviewers found authentic were called manipulated, and of how many."""
    authentic = sum(_of(reviews, "authentic", verdict) for verdict in Verdict.values)
    return _of(reviews, "authentic", Verdict.LIKELY_MANIPULATED), authentic


def compared(now: Counts, reference: Counts, model: str) -> Stability | None:
    """Scores of one model at two times; None where one of them has none."""
    mine, others = _scores(now, model), _scores(reference, model)
    return stability(mine, others) if mine and others else None


def judging_most(counts: Counts) -> str:
    """The model that judged most; empty where nothing was judged."""
    models = counts.get("models", {})
    return max(models, key=lambda model: sum(models[model]["outcomes"].values()), default="")


def _times(days: Sequence[Day], today: date) -> Times:
    begin = today - timedelta(days=NOW_DAYS - 1)
    now = _between(days, begin, today)
    model = judging_most(now)
    judged = [day for day, counts in days if model in counts.get("models", {})]
    first_end = min(judged[0] + timedelta(days=FIRST_DAYS), begin) if judged else begin
    one = timedelta(days=1)
    return Times(
        now=now,
        reference=_between(days, begin - timedelta(days=REFERENCE_DAYS), begin - one),
        first=_between(days, judged[0] if judged else begin, first_end - one),
        reviewed=_between(days, today - timedelta(days=REVIEW_DAYS - 1), today),
        model=model,
    )


def _between(days: Sequence[Day], first: date, last: date) -> Counts:
    return added_up(counts for day, counts in days if first <= day <= last)


def _shifted(times: Times) -> Finding:
    return _compared("scores_shifted", times, times.reference)


def _drifted(times: Times) -> Finding:
    return _compared("scores_drifted", times, times.first)


def _compared(rule: str, times: Times, reference: Counts) -> Finding:
    found = compared(times.now, reference, times.model)
    if (
        found is None
        or found.n < BOUNDS["scores"]
        or found.n_reference < BOUNDS["reference_scores"]
    ):
        return Finding(rule, None, asdict(found) if found else {})
    is_raised = found.index > max(BOUNDS["stability_index"], found.by_chance)
    return Finding(rule, is_raised, asdict(found))


def _inconclusive(times: Times) -> Finding:
    """Of the verdicts of the same model: another one may well say it more often."""
    now, before = (_outcomes_of(counts, times.model) for counts in (times.now, times.reference))
    name = str(Verdict.INCONCLUSIVE)
    return _risen("inconclusive_up", name, now, before, BOUNDS["inconclusive_rise"])


def _failed(times: Times) -> Finding:
    now, before = times.now.get("outcomes", {}), times.reference.get("outcomes", {})
    return _risen("failures_up", "failed", now, before, BOUNDS["failed_rise"])


def _risen(
    rule: str, name: str, now: Mapping[str, int], before: Mapping[str, int], bound: float
) -> Finding:
    ended = [sum(n for key, n in outcomes.items() if key != "open") for outcomes in (now, before)]
    figures = {
        "count": now.get(name, 0),
        "n": ended[0],
        "count_before": before.get(name, 0),
        "n_before": ended[1],
    }
    if ended[0] < BOUNDS["verdicts"] or ended[1] < BOUNDS["reference_verdicts"]:
        return Finding(rule, None, figures)
    return Finding(rule, rise(*figures.values()) > bound, figures)


def _disagreeing(times: Times) -> Finding:
    same, n = agreement(times.reviewed.get("reviews", {}).get("all", {}))
    return _too_often("reviews_disagree", n - same, n, BOUNDS["disagreement"])


def _accusing(times: Times) -> Finding:
    """Of images drawn at random alone: those disputed are wrong more often than others."""
    wrong, n = accusations(times.reviewed.get("reviews", {}).get("sample", {}))
    return _too_often("reviews_clear_accused", wrong, n, BOUNDS["accusation"])


def _too_often(rule: str, count: int, n: int, bound: float) -> Finding:
    figures = {"count": count, "n": n}
    if n < BOUNDS["reviews"]:
        return Finding(rule, None, figures)
    return Finding(rule, wilson(count, n)[0] > bound, figures)


def _moved(times: Times) -> Finding:
    """Golden pictures scored otherwise than recorded, so that nothing was judged."""
    count = times.now.get("failures", {}).get("scores_moved", 0)
    return Finding("golden_scores_moved", count > 0, {"count": count})


def _of(reviews: Mapping[str, int], outcome: str, verdict: str) -> int:
    return reviews.get(f"{outcome}:{verdict}", 0)


def _outcomes_of(counts: Counts, model: str) -> Mapping[str, int]:
    return counts.get("models", {}).get(model, {}).get("outcomes", {})


def _scores(counts: Counts, model: str) -> dict[int, int]:
    scores = counts.get("models", {}).get(model, {}).get("scores", {})
    return {int(at): n for at, n in scores.items()}


RULES: tuple[Callable[[Times], Finding], ...] = (
    _shifted,
    _drifted,
    _inconclusive,
    _failed,
    _disagreeing,
    _accusing,
    _moved,
)
