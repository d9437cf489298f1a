"""Reports as tables on a terminal."""

from typing import Any

from rich.table import Table


def score_table(report: dict[str, Any]) -> Table:
    """The plain classifier of the original work: a score cut at 0.5."""
    table = Table(title="Validation, score cut at 0.5, with 95 % intervals")
    for column in ("source", "n", "accuracy", "precision", "recall", "F1", "AUC"):
        table.add_column(column, justify="left" if column == "source" else "right")
    for source, row in report.items():
        rates = [estimate(row[key]) for key in ("accuracy", "precision", "recall")]
        table.add_row(source, str(row["n"]), *rates, figure(row["f1"]), estimate(row["auc"]))
    return table


def verdict_table(report: dict[str, Any], *, title: str) -> Table:
    """The three verdicts: how often one is given, and how often it is wrong."""
    table = Table(title=f"{title}: verdicts, with 95 % intervals")
    keys = ("auc", "coverage", "false_accusations", "reals_cleared", "fakes_caught", "fakes_missed")
    for column in ("source", "n", *keys):
        table.add_column(
            column.replace("_", " "), justify="left" if column == "source" else "right"
        )
    for source, row in report.items():
        table.add_row(source, str(row["n"]), *(estimate(row[key]) for key in keys))
    return table


def left_out_table(figures: dict[str, Any]) -> Table:
    """What `ml.leave_one_out` found of each source, and their mean."""
    table = Table(title="Without each source, with 95 % intervals")
    for column in ("left out", "n", "AUC"):
        table.add_column(column, justify="left" if column == "left out" else "right")
    for source, row in figures["sources"].items():
        table.add_row(source, str(row["n"]), estimate(row["auc"]))
    table.add_row("mean", "", figure(figures["mean_auc"]))
    return table


def estimate(value: dict[str, Any]) -> str:
    """A figure with its interval, or a dash where nothing was counted."""
    if value["value"] is None:
        return "-"
    return f"{value['value']:.3f} ({value['low']:.3f}-{value['high']:.3f})"


def figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
