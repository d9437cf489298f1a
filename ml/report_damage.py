"""The parts of a report page on altered pictures: what is left of ranking and of verdicts."""

from collections.abc import Iterator
from typing import Any

from ml.evaluation import POOLED
from ml.judging import CLEAN
from ml.report_markup import (
    DASH,
    Cell,
    Html,
    auc,
    html,
    in_brackets,
    note,
    percent,
    section,
    share,
    table,
    tile,
)
from ml.report_words import cell_in_words, source_in_words

# Smallest change of the AUC for each mark: falls by how much they hurt, and one kind of rise.
FALLS = ((0.10, "fall-3", "▼▼▼"), (0.05, "fall-2", "▼▼"), (0.02, "fall-1", "▼"))
RISE = 0.02

Report = dict[str, Any]


def damage(report: Report) -> Iterator[Html]:
    """AUC of each source in each cell, and the verdicts that each cell moved."""
    if not report["moved"]:
        return
    yield section(
        "Per kind of damage",
        "Each row is one kind of damage done to all pictures: first what is left of the ranking, "
        "per source, then what became of the verdicts given before.",
        _ranking(report),
        note(
            "The signed number is the change of the AUC against the pictures as they are: ▼ a fall "
            "of 0.02 or more, ▼▼ of 0.05, ▼▼▼ of 0.10, ▲ a rise of 0.02 or more."
        ),
        _moved(report),
        note(
            "Reversed and withdrawn are shares of the verdicts given before, changed of all "
            "pictures. Coverage kept is the number of verdicts after over that before."
        ),
    )


def copies(report: Report) -> Iterator[Html]:
    """Over all re-saved copies of a picture."""
    found = report["copies"]
    if found["coverage_kept"] is None:
        return
    figures = [
        tile(name, html(percent(found[key]["value"])), in_brackets(found[key]))
        for name, key in (("Any reversed", "any_reversed"), ("Any changed", "any_changed"))
    ]
    kept = html(percent(found["coverage_kept"]))
    figures.append(tile("Coverage kept", kept, "verdicts on a copy, of those on originals"))
    yield section(
        "All copies together",
        "The share of pictures of which at least one ordinary re-saved copy got another verdict: "
        "the opposite one, or any other.",
        Html(f'<dl class="tiles">{"".join(figures)}</dl>'),
    )


def _ranking(report: Report) -> Html:
    clean, *altered = report["cells"].items()
    sources = list(clean[1])
    rows: list[list[Cell]] = [
        [cell_in_words(CLEAN), *(auc(clean[1][source]["auc"]) for source in sources)]
    ]
    for cell, figures in altered:
        marked = [_marked(figures[name]["auc"], clean[1][name]["auc"]) for name in sources]
        rows.append([cell_in_words(cell), *marked])
    columns = ("damage", *(source_in_words(source) for source in sources))
    return table("AUC per source", columns, rows)


def _marked(value: dict[str, Any], before: dict[str, Any]) -> Html:
    if value["value"] is None or before["value"] is None:
        return html(DASH)
    change = round(value["value"] - before["value"], 3)
    name, symbol = "", ""
    if change >= RISE:
        name, symbol = "rise", "▲ "
    for least, of_fall, mark in FALLS:
        if change <= -least:
            name, symbol = of_fall, f"{mark} "
            break
    told = f"{symbol}{change:+.3f}".replace("-", "−") if change else "±0"
    return Html(f'<td class="{name}">{value["value"]:.3f}<span class="interval">{told}</span></td>')


def _moved(report: Report) -> Html:
    keys = ("verdicts_reversed", "verdicts_withdrawn", "verdicts_changed")
    rows: list[list[Cell]] = []
    for cell, row in report["moved"].items():
        pooled = report["cells"][cell][POOLED]
        moved = [share(row[key]) for key in keys]
        judged = [share(pooled[key]) for key in ("false_accusations", "fakes_caught")]
        rows.append([cell_in_words(cell), *moved, percent(row["coverage_kept"]), *judged])
    columns = ("damage", "reversed", "withdrawn", "changed", "coverage kept")
    return table("Verdicts, all sources", (*columns, "reals accused", "fakes caught"), rows)
