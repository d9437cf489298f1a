"""Charts as positions for a template to draw: SVG without a style or a script of its own.

Positions are text that no locale touches, in the units of a view of `WIDTH` × `HEIGHT`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, floor, log10

WIDTH, HEIGHT = 420.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 20.0, 14.0, 26.0
MOST_LABELS = 5


@dataclass(frozen=True)
class Box:
    x: str
    y: str
    width: str
    height: str
    tone: str
    title: str = ""
    is_partial: bool = False


@dataclass(frozen=True)
class Line:
    points: str
    tone: str


@dataclass(frozen=True)
class Point:
    """A value with its interval, both as heights."""

    x: str
    y: str
    low: str
    high: str
    tone: str


@dataclass(frozen=True)
class Label:
    at: str
    text: str


@dataclass(frozen=True)
class Chart:
    """What a template draws.

    Attributes:
        about: the chart in one sentence, for who does not see it.
        marks: where a model changed, each with its number in a list beside the charts.
        bound: height of a threshold's line; empty without one.
    """

    about: str
    columns: list[Label]
    ticks: list[Label]
    boxes: list[Box] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    marks: list[Label] = field(default_factory=list)
    bound: str = ""
    view: str = f"0 0 {WIDTH:g} {HEIGHT:g}"
    left: str = f"{LEFT:g}"
    right: str = f"{WIDTH - RIGHT:g}"
    top: str = f"{TOP:g}"
    floor: str = f"{HEIGHT - BOTTOM:g}"
    foot: str = f"{HEIGHT - 8:g}"
    tick_end: str = f"{LEFT - 6:g}"


@dataclass(frozen=True)
class Axes:
    """Where values lie.

    Attributes:
        count: of columns.
        top: the value at the upper edge; the lower one is 0.
    """

    count: int
    top: float

    @property
    def step(self) -> float:
        return (WIDTH - LEFT - RIGHT) / max(self.count, 1)

    def x(self, column: float) -> float:
        return LEFT + column * self.step

    def y(self, value: float) -> float:
        share = min(max(value / self.top, 0.0), 1.0) if self.top else 0.0
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def middle(self, column: int) -> str:
        return text(self.x(column + 0.5))


def nice_top(highest: float) -> float:
    """A round number at or above the highest value; 1 of nothing."""
    if highest <= 0:
        return 1.0
    size = 10.0 ** floor(log10(highest))
    return next(n * size for n in (1, 2, 2.5, 5, 10) if n * size >= highest)


def ticks(top: float, *, is_whole: bool) -> list[float]:
    """Values to write beside the axis, from 0 to its end, where that is a `nice_top`."""
    parts = 4 if f"{top:e}".startswith("2.0") else 5
    if is_whole and top < parts:
        parts = ceil(top)
    return [top * n / parts for n in range(parts + 1)]


def labelled(names: Sequence[str], axes: Axes) -> list[Label]:
    """Names under the columns, as many as have room."""
    every = max(1, ceil(len(names) / MOST_LABELS))
    return [
        Label(axes.middle(at), name)
        for at, name in enumerate(names)
        if at % every == (len(names) - 1) % every
    ]


def stacked(
    columns: Sequence[Sequence[tuple[float, str, str]]], axes: Axes, *, last_is_partial: bool
) -> list[Box]:
    """Boxes on one another: each column's values with tone and title, the lowest first."""
    boxes = []
    for at, column in enumerate(columns):
        below, is_partial = 0.0, last_is_partial and at == len(columns) - 1
        x, width = text(axes.x(at) + axes.step * 0.12), text(axes.step * 0.76)
        for value, tone, title in column:
            y = axes.y(below + value)
            height = axes.y(below) - y
            if value:
                boxes.append(Box(x, text(y), width, text(height), tone, title, is_partial))
            below += value
    return boxes


def side_by_side(
    pairs: Sequence[tuple[float, float]], axes: Axes, tones: Sequence[str]
) -> list[Box]:
    """Two boxes in each column."""
    boxes = []
    for at, pair in enumerate(pairs):
        for side, (value, tone) in enumerate(zip(pair, tones, strict=True)):
            if value:
                width = axes.step * 0.42
                x = axes.x(at) + axes.step * (0.06 + 0.44 * side)
                y = axes.y(value)
                height = HEIGHT - BOTTOM - y
                boxes.append(Box(text(x), text(y), text(width), text(height), tone))
    return boxes


def polyline(values: Sequence[float | None], axes: Axes, tone: str) -> list[Line]:
    """A line through the values, broken where there are none."""
    runs: list[list[str]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(f"{axes.middle(at)},{text(axes.y(value))}")
    return [Line(" ".join(run), tone) for run in runs if len(run) > 1]


def text(position: float) -> str:
    return f"{position:.2f}".rstrip("0").rstrip(".")
