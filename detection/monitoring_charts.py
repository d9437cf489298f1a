"""The charts of the page Monitoring, with a sentence each for who does not see them."""

from collections.abc import Sequence

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from detection.charts import (
    Axes,
    Chart,
    Label,
    Point,
    labelled,
    nice_top,
    polyline,
    side_by_side,
    stacked,
    text,
    ticks,
)
from detection.drift import Share
from detection.figures import share_words
from detection.models import PeriodFigures
from detection.monitoring_words import OUTCOME_TONES, outcome_words
from detection.services.drift_rules import BOUNDS
from detection.services.monitoring import OUTCOMES, Change, Monitoring, Period

SHARE_AXIS = (0.0, 0.25, 0.5, 0.75, 1.0)


def charts_of(found: Monitoring) -> dict[str, Chart]:
    """By name; empty while nothing was counted."""
    if not any(period.images for period in found.periods):
        return {}
    return {
        "images": _images(found),
        "inconclusive": _shares(
            found,
            [period.inconclusive for period in found.periods],
            "inconclusive",
            _("Share of verdicts that cannot tell"),
        ),
        "stability": _stability(found),
        "reviews": _shares(
            found,
            [period.agreement for period in found.periods],
            "authentic",
            _("Share of reviews that agree with the verdict"),
        ),
        "scores": scores_chart(
            found.scores,
            _("Probability of being manipulated, the last 7 days beside the 8 weeks before"),
        ),
    }


def _images(found: Monitoring) -> Chart:
    columns = [
        [(period.outcomes[name], OUTCOME_TONES[name], _titled(period, name)) for name in OUTCOMES]
        for period in found.periods
    ]
    top = nice_top(max(period.images for period in found.periods))
    axes = Axes(len(columns), top)
    total = sum(period.images for period in found.periods)
    about = ngettext(
        "%(total)s image received in %(count)s periods, by outcome",
        "%(total)s images received in %(count)s periods, by outcome",
        total,
    ) % {"total": _number(total), "count": len(columns)}
    return Chart(
        about=about,
        columns=_dates(found, axes),
        ticks=[Label(text(axes.y(at)), _number(at)) for at in ticks(top, is_whole=True)],
        boxes=stacked(columns, axes, last_is_partial=found.periods[-1].is_partial),
        marks=_marks(found, axes),
    )


def _shares(found: Monitoring, shares: Sequence[Share | None], tone: str, name: str) -> Chart:
    axes = Axes(len(shares), 1.0)
    values = [share.value if share else None for share in shares]
    points = [
        Point(
            axes.middle(at),
            text(axes.y(share.value)),
            text(axes.y(share.low)),
            text(axes.y(share.high)),
            tone,
        )
        for at, share in enumerate(shares)
        if share
    ]
    known = [value for value in values if value is not None]
    about = ": ".join((name, _("nothing was counted")))
    if known:
        about = _("%(name)s: last %(last)s, between %(low)s and %(high)s in all periods") % {
            "name": name,
            "last": share_words(known[-1]),
            "low": share_words(min(known)),
            "high": share_words(max(known)),
        }
    return Chart(
        about=about,
        columns=_dates(found, axes),
        ticks=[Label(text(axes.y(at)), share_words(at)) for at in SHARE_AXIS],
        lines=polyline(values, axes, tone),
        points=points,
        marks=_marks(found, axes),
    )


def _stability(found: Monitoring) -> Chart:
    values = [period.stability.index if period.stability else None for period in found.periods]
    known = [value for value in values if value is not None]
    bound = BOUNDS["stability_index"]
    top = nice_top(max([*known, 2 * bound]))
    axes = Axes(len(values), top)
    above = sum(value > bound for value in known)
    about = _("Stability index of the scores: %(above)s of %(n)s periods above %(bound)s") % {
        "above": above,
        "n": len(known),
        "bound": number_format(bound, 1),
    }
    columns = [
        [(value or 0.0, "manipulated" if (value or 0) > bound else "waiting", "")]
        for value in values
    ]
    return Chart(
        about=about,
        columns=_dates(found, axes),
        ticks=[Label(text(axes.y(at)), number_format(at, 2)) for at in ticks(top, is_whole=False)],
        boxes=stacked(columns, axes, last_is_partial=found.periods[-1].is_partial),
        marks=_marks(found, axes),
        bound=text(axes.y(bound)),
    )


def scores_chart(scores: Sequence[tuple[int, int]], about: str) -> Chart:
    """Shares of scores on two sides, so that unequal numbers can be held side by side."""
    totals = [max(sum(pair[side] for pair in scores), 1) for side in (0, 1)]
    pairs = [(now / totals[0], before / totals[1]) for now, before in scores]
    top = nice_top(max(max(pair) for pair in pairs))
    axes = Axes(len(pairs), top)
    edges = [
        Label(text(axes.x(len(pairs) * share)), share_words(share)) for share in SHARE_AXIS[1:-1]
    ]
    return Chart(
        about=about,
        columns=[
            Label(text(axes.x(0) + 8), share_words(0)),
            *edges,
            Label(text(axes.x(len(pairs))), share_words(1)),
        ],
        ticks=[Label(text(axes.y(at)), share_words(at)) for at in ticks(top, is_whole=False)],
        boxes=side_by_side(pairs, axes, ("waiting", "before")),
    )


def _dates(found: Monitoring, axes: Axes) -> list[Label]:
    return labelled([short_date(period) for period in found.periods], axes)


def short_date(period: Period) -> str:
    return date_format(period.starts_on, "j M")


def _marks(found: Monitoring, axes: Axes) -> list[Label]:
    """Where models began to judge, by their numbers in the list of changes."""
    numbers: dict[float, list[str]] = {}
    for number, change in enumerate(found.changes, start=1):
        at = _column_of(change, found)
        if at is not None:
            numbers.setdefault(at, []).append(str(number))
    return [Label(text(axes.x(at)), ", ".join(some)) for at, some in numbers.items()]


def _column_of(change: Change, found: Monitoring) -> float | None:
    days = 7 if found.unit == PeriodFigures.Unit.WEEK else 1
    for at, period in enumerate(found.periods):
        ago = (change.on - period.starts_on).days
        if 0 <= ago < days:
            return at + ago / days
    return None


def _titled(period: Period, outcome: str) -> str:
    return f"{short_date(period)}: {outcome_words(outcome)} {_number(period.outcomes[outcome])}"


def _number(value: float) -> str:
    return number_format(int(value) if value == int(value) else value, force_grouping=True)
