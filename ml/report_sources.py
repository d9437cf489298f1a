"""The parts of a report page on sources: as they are, method by method, and left out."""

from collections.abc import Iterator
from typing import Any

from ml.judging import CLEAN
from ml.report_markup import (
    DASH,
    Cell,
    Html,
    auc,
    decimal,
    html,
    note,
    percent,
    section,
    share,
    table,
)
from ml.report_words import source_in_words

Report = dict[str, Any]


def sources(report: Report) -> Iterator[Html]:
    """Ranking, verdicts and calibration of each source, beside each peer's ranking."""
    peers = report.get("peers", {})
    columns = ["source", "reals", "fakes", "AUC", *(f"AUC of {_unbroken(peer)}" for peer in peers)]
    columns += ["fakes found at 5 % FPR", "decided", "reals accused", "reals cleared"]
    columns += ["fakes caught", "fakes missed", "calibration error"]
    rows = []
    for source, row in report["cells"][CLEAN].items():
        ranked = [auc(row["auc"]), *(auc(_auc_of(rows, source)) for rows in peers.values())]
        keys = ("coverage", "false_accusations", "reals_cleared", "fakes_caught", "fakes_missed")
        told = [share(row[key]) for key in ("recall_at_5", *keys)]
        rows.append([*_counted(source, row), *ranked, *told, _calibrated(row)])
    yield section(
        "Per source",
        "Each row is one source of pictures, with 95 % intervals under the figures: AUC is the "
        "chance that a fake ranks above a real, 0.5 is guessing, and what is neither accused nor "
        "cleared, caught nor missed, was left undecided.",
        table("Pictures as they are", columns, rows),
        note(
            "The calibration error is the gap between stated probability and observed share of "
            "fakes, less what chance adds; “above chance” where only 5 of 100 perfectly "
            "calibrated detectors would show as much. It needs both classes. Sources marked "
            "“apart” are not in the pool."
        ),
    )


def methods(report: Report) -> Iterator[Html]:
    """Each way of making fakes."""
    keys = ("recall_at_5", "fakes_caught", "fakes_missed")
    rows = [
        [method, f"{row['n_fake']:,}", auc(row["auc"]), *(share(row[key]) for key in keys)]
        for method, row in report["methods"].items()
    ]
    if rows:
        columns = ("method", "fakes", "AUC", "fakes found at 5 % FPR", "caught", "missed")
        yield section(
            "Per method",
            "Each row sets the fakes of one method beside all reals of their source.",
            table("Pictures as they are", columns, rows),
        )


def left_out(report: Report) -> Iterator[Html]:
    """What `ml.leave_one_out` found, where the report holds it."""
    figures = report.get("leave_one_source_out")
    if not figures or not figures["sources"]:
        return
    own = report["cells"][CLEAN]
    rows = [
        [*_counted(source, row), auc(row["auc"]), auc(_auc_of(own, source))]
        for source, row in figures["sources"].items()
    ]
    columns = ("source", "reals", "fakes", "AUC when left out", "AUC of this artifact")
    yield section(
        "Sources never seen",
        "Each row is a network trained without that source and measured on it alone: the nearest "
        "thing here to pictures of a kind that nobody has trained on.",
        table("Leave one source out", columns, rows),
        note(
            f"A shorter training than the artifact's ({figures['config'].get('name', 'unnamed')}); "
            f"mean AUC {decimal(figures['mean_auc'])}."
        ),
    )


def _counted(source: str, row: dict[str, Any]) -> list[Cell]:
    return [source_in_words(source), f"{row['n'] - row['n_fake']:,}", f"{row['n_fake']:,}"]


def _unbroken(name: str) -> str:
    return name.replace(" ", "\u00a0")


def _auc_of(rows: dict[str, Any], source: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = rows.get(source, {}).get("auc")
    return found


def _calibrated(row: dict[str, Any]) -> Html:
    found, floor = row.get("debiased_calibration_error"), row.get("calibration_floor")
    if found is None or floor is None or row["n_fake"] in (0, row["n"]):
        return html(DASH)
    side = "above" if found > floor else "within"
    told = f"{side} chance: {percent(floor)}"
    return Html(f'{html(percent(found))}<span class="interval">{html(told)}</span>')
