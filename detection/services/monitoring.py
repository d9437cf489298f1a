"""What the desk did of late, for the page Monitoring, its files and the API: all from counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from accounts.models import ApiKey, User
from detection.drift import SCORE_BINS, Share, Stability, share_of
from detection.models import Activation, Detection, DriftAlert, ModelVersion, PeriodFigures
from detection.services import period_figures, workers
from detection.services.drift_rules import (
    BOUNDS,
    NOW_DAYS,
    REFERENCE_DAYS,
    REVIEW_DAYS,
    Day,
    accusations,
    agreement,
    compared,
    judging_most,
)
from detection.services.period_figures import WAIT_BANDS_S, Counts, added_up
from detection.services.workers import Waiting, WorkerState

Unit = PeriodFigures.Unit
Verdict = Detection.Verdict

OUTCOMES = (
    str(Verdict.LIKELY_AUTHENTIC),
    str(Verdict.LIKELY_MANIPULATED),
    str(Verdict.INCONCLUSIVE),
    "failed",
    "open",
)
# How many periods may be asked for, and how many are shown unless somebody asks for others.
MOST = {str(Unit.WEEK): 52, str(Unit.DAY): 90}
USUAL = {str(Unit.WEEK): 26, str(Unit.DAY): 28}
BEFORE = {str(Unit.WEEK): REFERENCE_DAYS // 7, str(Unit.DAY): REFERENCE_DAYS}
SHOWN_BINS = 20
PAGE_SOURCE, KEY_SOURCE = "page", "key:"
KINDS = ("formats", "pixels", "compression", "tables")
MOST_ALERTS = 20


@dataclass(frozen=True)
class Period:
    """One day, one week, or several days together.

    Attributes:
        last_on: its last day; today where it is not over.
        images: that were received, of which `open` have not ended.
        inconclusive: among verdicts.
        failed: among those that ended.
        stability: of the scores against the eight weeks before, by the same model; None where too
            little was counted to tell.
        agreement: of decisions and verdicts that both took a side.
        accusations: of images a reviewer found authentic, those that were called manipulated.
        models: verdicts and failures by model id.
    """

    starts_on: date
    last_on: date
    is_partial: bool
    images: int
    outcomes: dict[str, int]
    inconclusive: Share | None
    failed: Share | None
    stability: Stability | None
    agreement: Share | None
    accusations: Share | None
    models: dict[str, int]


@dataclass(frozen=True)
class Source:
    """Requests from one place: the pages, one API key, or all keys for who may not know them."""

    name: str
    is_page: bool
    outcomes: dict[str, int]
    requests: int


@dataclass(frozen=True)
class Change:
    """A model that began to judge."""

    on: date
    model: str


@dataclass(frozen=True)
class Monitoring:
    """All of it.

    Attributes:
        now: the last seven days that are over; `before` the seven before them, `today` so far.
        reviewed: the last four weeks, whose reviews are counted together.
        scores: by twentieth of the score, now and in the eight weeks before, by the same model.
        kinds: by sort and kind of image, how many now and in the eight weeks before.
        half_within_s, most_within_s: so long half, and nine in ten, of the verdicts took at most
            that somebody waited for; None for more than the longest band, or nothing judged.
        names: of models, by id.
    """

    unit: str
    periods: list[Period]
    now: Period
    before: Period
    today: Period
    reviewed: Period
    scores: list[tuple[int, int]]
    sources: list[Source]
    kinds: dict[str, dict[str, tuple[int, int]]]
    half_within_s: int | None
    most_within_s: int | None
    changes: list[Change]
    alerts: list[DriftAlert]
    ended_alerts: list[DriftAlert]
    workers: list[WorkerState]
    waiting: list[Waiting]
    names: dict[str, str]


def monitoring(*, by: User, unit: str = Unit.WEEK, count: int | None = None) -> Monitoring:
    """What a reviewer may know: nothing here names a person, and keys are administrators' alone.

    Args:
        unit: of the periods.
        count: how many, up to `MOST`.
    """
    size = min(max(count or USUAL[unit], 1), MOST[unit])
    today = period_figures.today()
    one = timedelta(days=1)
    begin = today - NOW_DAYS * one
    days = _rows(Unit.DAY, begin - REFERENCE_DAYS * one)
    counts, reference = _between(days, begin, today - one), _between(days, None, begin - one)
    periods = _periods(unit, size, today)
    first = periods[0].starts_on if periods else today
    alerts = DriftAlert.objects.select_related("acknowledged_by").newest_first()
    return Monitoring(
        unit=unit,
        periods=periods,
        now=_period(begin, today - one, counts, reference),
        before=_period(
            begin - NOW_DAYS * one, begin - one, _between(days, begin - NOW_DAYS * one, begin - one)
        ),
        today=_period(today, today, _between(days, today, today), is_partial=True),
        reviewed=_period(
            today - (REVIEW_DAYS - 1) * one,
            today,
            _between(days, today - (REVIEW_DAYS - 1) * one, today),
        ),
        scores=_scores(counts, reference),
        sources=_sources(counts.get("sources", {}), by),
        kinds={kind: _pairs(counts.get(kind, {}), reference.get(kind, {})) for kind in KINDS},
        half_within_s=_within(counts, 0.5),
        most_within_s=_within(counts, 0.9),
        changes=_changes(first),
        alerts=list(alerts.standing()),
        ended_alerts=list(alerts.exclude(ended_at=None)[:MOST_ALERTS]),
        workers=workers.worker_states(),
        waiting=workers.waiting(),
        names={str(row.pk): str(row) for row in ModelVersion.objects.all()},
    )


def _rows(unit: str, first: date) -> list[Day]:
    rows = PeriodFigures.objects.filter(unit=unit, starts_on__gte=first).order_by("starts_on")
    return list(rows.values_list("starts_on", "counts"))


def _between(days: Sequence[Day], first: date | None, last: date) -> Counts:
    return added_up(
        counts for day, counts in days if (first is None or day >= first) and day <= last
    )


def _periods(unit: str, size: int, today: date) -> list[Period]:
    """The latest periods, oldest first, each with its own reference before it."""
    step = timedelta(days=7 if unit == Unit.WEEK else 1)
    latest = period_figures.monday_of(today) if unit == Unit.WEEK else today
    first = latest - (size - 1) * step
    rows = _rows(unit, first - BEFORE[unit] * step)
    found = []
    for starts_on, counts in rows:
        if starts_on < first:
            continue
        last_on = min(starts_on + step - timedelta(days=1), today)
        reference = _between(rows, starts_on - BEFORE[unit] * step, starts_on - timedelta(days=1))
        is_partial = starts_on + step > today
        found.append(_period(starts_on, last_on, counts, reference, is_partial=is_partial))
    return found


def _period(
    first: date,
    last: date,
    counts: Counts,
    reference: Counts | None = None,
    *,
    is_partial: bool = False,
) -> Period:
    outcomes = {name: counts.get("outcomes", {}).get(name, 0) for name in OUTCOMES}
    verdicts = sum(outcomes[name] for name in Verdict.values)
    reviews = counts.get("reviews", {}).get("all", {})
    return Period(
        starts_on=first,
        last_on=last,
        is_partial=is_partial,
        images=sum(outcomes.values()),
        outcomes=outcomes,
        inconclusive=share_of(outcomes[str(Verdict.INCONCLUSIVE)], verdicts),
        failed=share_of(outcomes["failed"], verdicts + outcomes["failed"]),
        stability=_stability(counts, reference or {}),
        agreement=share_of(*agreement(reviews)),
        accusations=share_of(*accusations(reviews)),
        models={
            model: sum(mine["outcomes"].values())
            for model, mine in counts.get("models", {}).items()
        },
    )


def _stability(counts: Counts, reference: Counts) -> Stability | None:
    found = compared(counts, reference, judging_most(counts))
    if found is None or found.n < BOUNDS["scores"]:
        return None
    return found if found.n_reference >= BOUNDS["reference_scores"] else None


def _scores(counts: Counts, reference: Counts) -> list[tuple[int, int]]:
    model = judging_most(counts)
    both = [part.get("models", {}).get(model, {}) for part in (counts, reference)]
    width = SCORE_BINS // SHOWN_BINS
    coarse = [[0, 0] for _ in range(SHOWN_BINS)]
    for side, mine in enumerate(both):
        for at, n in mine.get("scores", {}).items():
            coarse[int(at) // width][side] += n
    return [(now, before) for now, before in coarse]


def _sources(sources: Mapping[str, Mapping[str, int]], by: User) -> list[Source]:
    """The pages first, then keys by how much came; one line of all keys for who may not know."""
    keys: dict[str, Counts] = {}
    if by.is_superuser:
        numbers = [name.removeprefix(KEY_SOURCE) for name in sources if name != PAGE_SOURCE]
        names = dict(ApiKey.objects.filter(pk__in=numbers).values_list("pk", "name"))
        for number in numbers:
            keys[names.get(int(number), number)] = added_up(
                [keys.get(names.get(int(number), number), {}), sources[KEY_SOURCE + number]]
            )
    elif len(sources) > (PAGE_SOURCE in sources):
        keys[""] = added_up(part for name, part in sources.items() if name != PAGE_SOURCE)
    found = [_source("", sources.get(PAGE_SOURCE, {}), is_page=True)]
    found += [_source(name, outcomes) for name, outcomes in keys.items()]
    return sorted(found, key=lambda source: (not source.is_page, -source.requests))


def _source(name: str, outcomes: Mapping[str, int], *, is_page: bool = False) -> Source:
    every = {outcome: outcomes.get(outcome, 0) for outcome in OUTCOMES}
    return Source(name, is_page, every, sum(every.values()))


def _pairs(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    names = sorted({*now, *before}, key=lambda name: -now.get(name, 0))
    return {name: (now.get(name, 0), before.get(name, 0)) for name in names}


def _within(counts: Counts, share: float) -> int | None:
    bands = counts.get("waits", {}).get(Detection.Queue.DETECT, {})
    wanted, so_far = share * sum(bands.values()), 0
    for bound in WAIT_BANDS_S:
        so_far += bands.get(str(bound), 0)
        if so_far and so_far >= wanted:
            return bound
    return None


def _changes(first: date) -> list[Change]:
    """When models began to judge; those of before there was a list of changes by their own word."""
    found = {
        (at.date(), str(version))
        for version in ModelVersion.objects.filter(activated_at__date__gte=first)
        if (at := version.activated_at)
    }
    rows = Activation.objects.filter(created_at__date__gte=first).select_related("version")
    found |= {(row.created_at.date(), str(row.version)) for row in rows}
    return [Change(on, model) for on, model in sorted(found)]
