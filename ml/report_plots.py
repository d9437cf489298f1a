"""The plots of a report as inline SVG that takes its colours from the page around it."""

import re
from collections.abc import Sequence
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ml.report_markup import Html, counted, html

# Drawn in colours nothing else has, which the page's own then stand for, in light and in dark.
INK, SOFT, REAL, FAKE = "#010203", "#010204", "#010205", "#010206"
COLOURS = {
    INK: "var(--ink)",
    SOFT: "var(--ink-soft)",
    REAL: "var(--real)",
    FAKE: "var(--fake)",
}
# What an SVG inside a page must not bring: outside names, ids that another plot has as well, a
# font, and a rule that would hold for the whole page.
UNWANTED = {
    "<metadata>.*?</metadata>": "",
    "<style.*?</style>": "",
    r' xmlns(:\w+)?="[^"]*"': "",
    '<g id="[^"]*"': "<g",
    "font-family: [^;]*; ": "",
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # words stay words: searchable, and in the font of the page
    "font.family": "sans-serif",
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": SOFT,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "font.size": 10,
}


def draw_roc(rows: Sequence[Sequence[float]], name: str) -> Html:
    """Share of fakes found over share of reals accused, for every cut.

    Args:
        rows: false and true positive rate of each cut.
    """
    with mpl.rc_context(STYLE):
        figure, axes = _figure(2.6, 2.4)
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=":")
        axes.plot([row[0] for row in rows], [row[1] for row in rows], color=FAKE, linewidth=1.8)
        axes.axvline(0.05, color=SOFT, linewidth=0.8, linestyle="--")
        _as_square_of_shares(axes, "reals accused", "fakes found")
        return _inline(figure, f"ROC curve of {name}")


def draw_reliability(bins: Sequence[dict[str, Any]]) -> Html:
    """Observed share of fakes over stated probability, with 95 % intervals."""
    with mpl.rc_context(STYLE):
        figure, axes = _figure(4.0, 3.7)
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=":")
        shares = [one["share"] for one in bins]
        below = [max(0.0, one["share"] - one["low"]) for one in bins]
        above = [max(0.0, one["high"] - one["share"]) for one in bins]
        stated = [one["probability"] for one in bins]
        axes.errorbar(stated, shares, (below, above), color=FAKE, fmt="o-", capsize=3)
        _as_square_of_shares(axes, "stated probability of a fake", "share that are fakes")
        return _inline(figure, "Observed share of fakes by stated probability")


def draw_probability(counts: dict[str, Sequence[int]]) -> Html:
    """How often each probability was stated, for reals and for fakes."""
    with mpl.rc_context(STYLE):
        figure, axes = _figure(5.2, 3.7)
        for name, colour, hatch in (("real", REAL, ""), ("fake", FAKE, "////")):
            heights = counts[name]
            edges = [at / len(heights) for at in range(len(heights) + 1)]
            total = max(1, sum(heights))
            shares = [height / total for height in heights]
            label = f"{name}s, {counted(sum(heights))}"
            # told apart by hatching as well, for who sees no colours and for grey paper
            drawn: dict[str, Any] = {
                "edgecolor": colour,
                "facecolor": "none" if hatch else colour,
                "hatch": hatch,
            }
            axes.stairs(shares, edges, fill=True, label=label, linewidth=1.5, alpha=0.75, **drawn)
        axes.set(xlabel="probability of a fake", ylabel="share of the class", xlim=(0, 1))
        axes.xaxis.set_major_formatter(_per_cent)
        axes.yaxis.set_major_formatter(_per_cent)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, 1.16))
        return _inline(figure, "Histogram of the stated probability per class")


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    axes.grid(visible=True)
    return figure, axes


def _as_square_of_shares(axes: Axes, across: str, up: str) -> None:
    axes.set(xlabel=across, ylabel=up, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([0, 0.5, 1])
        axis.set_major_formatter(_per_cent)


def _per_cent(share: float, _position: float) -> str:
    return f"{share * 100:.0f} %"


def _inline(figure: Figure, title: str) -> Html:
    """An element for the middle of a page: named for who cannot see it, without outside names."""
    stream, label = StringIO(), html(title)
    # ids are hashes: another salt for each plot, so that no two on a page are alike
    with mpl.rc_context({"svg.hashsalt": label}):
        figure.savefig(stream, format="svg")
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    for unwanted, instead in UNWANTED.items():
        svg = re.sub(unwanted, instead, svg, flags=re.DOTALL)
    for colour, variable in COLOURS.items():
        svg = svg.replace(colour, variable)
    return Html(svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1))
