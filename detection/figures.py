"""Probabilities as people read them: rounded without crossing a cut, and drawn on a scale."""

from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.translation import gettext as _

MOST_DIGITS = 4


@dataclass(frozen=True)
class Scale:
    """Positions in percent of the scale's length, 0 to 100, as text that no locale touches."""

    probability: str
    authentic_below: str
    manipulated_from: str


@dataclass(frozen=True)
class Hundred:
    """So many of 100 squares, ten a line: lines that are full, and how far the next one goes."""

    count: int
    lines: int
    rest: int


@dataclass(frozen=True)
class Figures:
    """A probability and the two cuts, each as text; None where there is nothing to state.

    `authentic_below` is None when nothing is ever called authentic, `manipulated_from` when
    nothing is ever called manipulated.
    """

    probability: str | None
    authentic_below: str | None
    manipulated_from: str | None
    scale: Scale | None


def figures(probability: float | None, low: float | None, high: float | None) -> Figures:
    """Put shares into percent, with as many digits as keep the probability on its side of a cut."""
    digits = _digits(probability, [cut for cut in (low, high) if cut is not None])
    return Figures(
        probability=None if probability is None else percent(probability, digits),
        authentic_below=percent(low, digits) if low else None,
        manipulated_from=percent(high, digits) if high is not None and high <= 1 else None,
        scale=_scale(probability, low, high),
    )


def percent(share: float, digits: int = 1) -> str:
    """A share in percent; never "0 %" or "100 %" for what is not quite that."""
    smallest, shown = 10.0**-digits, round(100 * share, digits)
    if shown >= 100 > 100 * share:
        text, number = _("over %(number)s %%"), number_format(100 - smallest, digits)
    elif shown <= 0 < share:
        text, number = _("under %(number)s %%"), number_format(smallest, digits)
    else:
        digits = 0 if shown == int(shown) else digits
        text, number = _("%(number)s %%"), number_format(shown, digits)
    return (text % {"number": number}).replace(" ", "\N{NO-BREAK SPACE}")


def of_a_hundred(share: float) -> Hundred:
    """A share as squares to be drawn; never none or all of them for what is not quite that."""
    count = min(max(round(100 * share), 1 if share > 0 else 0), 99 if share < 1 else 100)
    return Hundred(count, count // 10, count % 10)


def share_words(share: float) -> str:
    """A share of many images: whole per cent, or tenths where a whole one would be too coarse."""
    return percent(share, 0 if 0.1 <= share <= 0.9 else 1)


def position(share: float) -> str:
    """Where a share lies on a scale from 0 to 100, as text that no locale touches."""
    return f"{100 * min(max(share, 0.0), 1.0):.2f}"


def _digits(probability: float | None, cuts: list[float]) -> int:
    if probability is None:
        return 1
    for digits in range(1, MOST_DIGITS):
        shown = round(100 * probability, digits)
        if all((shown >= round(100 * cut, digits)) == (probability >= cut) for cut in cuts):
            return digits
    return MOST_DIGITS


def _scale(probability: float | None, low: float | None, high: float | None) -> Scale | None:
    if probability is None or low is None or high is None:
        return None
    return Scale(*map(position, (probability, low, high)))
