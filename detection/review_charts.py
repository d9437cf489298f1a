"""Figures of the review desk as a page shows them: bars with their intervals, and tables."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isnan

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from accounts.models import User
from detection.figures import percent, position
from detection.services.review_figures import DeskFigures, Figures, ModelFigures, Score
from ml.metrics import Estimate

NOTHING = "–"
SECONDS_UNTIL = 120  # a longer time is said in minutes
MINUTE_S = 60


@dataclass(frozen=True)
class Bar:
    """A bar and what lies over it, in percent of the chart's length as text that no locale touches.

    Attributes:
        low, high: of the interval; empty without one.
        zero: where a line is drawn through it; empty for none.
    """

    length: str
    start: str = "0"
    low: str = ""
    high: str = ""
    zero: str = ""


@dataclass(frozen=True)
class Row:
    """One line of a chart and of the table under it."""

    label: str
    bar: Bar | None
    cells: list[str]
    is_everybody: bool = False


@dataclass(frozen=True)
class Section:
    """A chart with its table.

    Attributes:
        note: how to read it.
        first: heading of the labels; `columns` those of the cells.
    """

    key: str
    title: str
    note: str
    first: str
    columns: list[str]
    rows: list[Row] = field(default_factory=list)


def sections(found: DeskFigures, reader: User) -> list[Section]:
    """Everybody's figures for administrators; for others their own, and those of all together."""
    people = [
        (str(person), figures)
        for person, figures in found.people
        if reader.is_superuser or person.pk == reader.pk
    ]
    return [
        _decisions(people, found.everybody),
        _agreement(people, found.everybody),
        _golden(people, found.everybody),
        *_models(found.models),
    ]


def _decisions(people: list[tuple[str, Figures]], everybody: Figures) -> Section:
    most = max([figures.decided for _name, figures in people], default=0)
    rows = [
        Row(name, _length(figures.decided, most), _how_much(figures)) for name, figures in people
    ]
    return Section(
        key="decisions",
        title=_("Decisions"),
        note=_("Undone ones do not count. The time is that between taking an item and deciding."),
        first=_("Who"),
        columns=[_("Decisions"), _("Median time for one")],
        rows=[*rows, Row(_("The desk together"), None, _how_much(everybody), is_everybody=True)],
    )


def _agreement(people: list[tuple[str, Figures]], everybody: Figures) -> Section:
    every = [*people, (_("The desk together"), everybody)]
    return Section(
        key="agreement",
        title=_("How alike people decide"),
        note=_(
            "Cohen’s κ of first and second opinions on the same item, given without seeing each "
            "other: 1 is full agreement, 0 what chance alone would give, below it less than that. "
            "With few pairs the interval is wide, and says more than the number."
        ),
        first=_("Who"),
        columns=[_("κ"), _("95 % interval"), _("Pairs of opinions")],
        rows=[
            Row(
                name,
                _around_zero(figures.agreement),
                [*_kappa(figures.agreement), number_format(figures.agreement.n)],
                is_everybody=figures is everybody,
            )
            for name, figures in every
        ],
    )


def _golden(people: list[tuple[str, Figures]], everybody: Figures) -> Section:
    every = [*people, (_("The desk together"), everybody)]
    return Section(
        key="golden",
        title=_("On images whose truth is known"),
        note=_("Among the items that somebody was handed were such images, looking like the rest."),
        first=_("Who"),
        columns=_score_columns(),
        rows=[
            _score_row(name, figures.golden, is_everybody=figures is everybody)
            for name, figures in every
        ],
    )


def _models(models: Iterable[ModelFigures]) -> list[Section]:
    rows = [(f"{one.version.name} {one.version.version}", one) for one in models]
    kinds = [
        (
            "models-golden",
            _("Models on images whose truth is known"),
            _("Whenever they judged them, of those that are in use now."),
            [_score_row(name, one.golden) for name, one in rows],
        ),
        (
            "models-sample",
            _("Models against reviews of the random sample"),
            _("Drawn from all verdicts, so that this stands for what the desk says every day."),
            [_score_row(name, one.sampled) for name, one in rows],
        ),
        (
            "models-reviews",
            _("Models against all reviews"),
            _(
                "Most of these images are here because something spoke against the verdict: a "
                "model looks worse in them than it is."
            ),
            [_score_row(name, one.reviewed) for name, one in rows],
        ),
    ]
    return [
        Section(key, title, note, _("Model"), _score_columns(), shown)
        for key, title, note, shown in kinds
    ]


def _score_columns() -> list[str]:
    return [_("Right"), _("95 % interval"), _("Wrong"), _("Cannot tell"), _("Of how many")]


def _score_row(name: str, score: Score, *, is_everybody: bool = False) -> Row:
    right = score.right
    cells = [
        NOTHING if isnan(right.value) else percent(right.value),
        _interval(*(100 * share for share in (right.low, right.high)), digits=1),
        number_format(score.wrong),
        number_format(score.unsure),
        number_format(right.n),
    ]
    return Row(name, _share(right), cells, is_everybody=is_everybody)


def _how_much(figures: Figures) -> list[str]:
    return [number_format(figures.decided, force_grouping=True), _time(figures.median_s)]


def _kappa(found: Estimate) -> list[str]:
    value = NOTHING if isnan(found.value) else _rounded(found.value, 2)
    return [value, _interval(found.low, found.high, digits=2)]


def _interval(low: float, high: float, *, digits: int) -> str:
    if isnan(low) or isnan(high):
        return NOTHING
    text = f"{_rounded(low, digits)} – {_rounded(high, digits)}"
    return f"\u2066{text}\u2069"  # from left to right in Arabic too


def _time(seconds: float | None) -> str:
    if seconds is None:
        return NOTHING
    if seconds < SECONDS_UNTIL:
        return _("%(number)s s") % {"number": _rounded(seconds, 0)}
    return _("%(number)s min") % {"number": _rounded(seconds / MINUTE_S, 0)}


def _rounded(value: float, digits: int) -> str:
    return number_format(round(value, digits), digits)  # which by itself only cuts off


def _length(count: int, most: int) -> Bar | None:
    return Bar(position(count / most)) if most else None


def _share(found: Estimate) -> Bar | None:
    if isnan(found.value):
        return None
    return Bar(position(found.value), low=position(found.low), high=position(found.high))


def _around_zero(found: Estimate) -> Bar | None:
    """On a scale from -1 to 1, drawn from the middle."""
    if isnan(found.value):
        return None
    at, middle = _of_both_signs(found.value), 0.5
    has_interval = not isnan(found.low)
    return Bar(
        length=position(abs(at - middle)),
        start=position(min(at, middle)),
        low=position(_of_both_signs(found.low)) if has_interval else "",
        high=position(_of_both_signs(found.high)) if has_interval else "",
        zero=position(middle),
    )


def _of_both_signs(value: float) -> float:
    return (value + 1) / 2
