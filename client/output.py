"""How results are written: for people, as JSON lines, as CSV."""

import csv
import json
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from client.result import Result

COLUMNS = ("path", "sha256", "probability", "verdict", "reasons", "error")
STYLES = {
    "likely_authentic": "green",
    "likely_manipulated": "bold red",
    "inconclusive": "yellow",
    "queued": "dim",
    "failed": "magenta",
}
Write = Callable[[Result], None]


def write_json(result: Result) -> None:
    """One line; ASCII, so that no file name can break it."""
    print(json.dumps(asdict(result)), flush=True)  # noqa: T201


def write_error(code: str, detail: str) -> None:
    """One line: why a whole command did not do what it was asked."""
    print(json.dumps({"error": {"code": code, "detail": detail}}), flush=True)  # noqa: T201


def write_csv(result: Result) -> None:
    """One row; a cell that a spreadsheet would run gets an apostrophe before it."""
    row = asdict(result)
    row["reasons"] = " ".join(result.reasons)
    row["error"] = result.error["code"] if result.error else ""
    cells = ["" if row[name] is None else str(row[name]) for name in COLUMNS]
    guarded = ["'" + cell if cell.startswith(tuple("=+-@\t\r")) else cell for cell in cells]
    csv.writer(sys.stdout).writerow(guarded)
    sys.stdout.flush()


def write_csv_head() -> None:
    csv.writer(sys.stdout).writerow(COLUMNS)


def write_line(result: Result) -> None:
    """Verdict, probability and path in columns, then why."""
    word = result.word
    share = "" if result.probability is None else f"{result.probability:.0%}"
    line = Text(f"{word.replace('_', ' '):<19}", style=STYLES[word])
    line.append(f"{share:>5}  ", style="default")
    line.append(shown(result.path), style="default")
    if note := _note(result):
        line.append(f"  ({note})", style="dim")
    Console(soft_wrap=True, highlight=False).print(line)


def summary(results: Sequence[Result]) -> str:
    """How many of each, and what a verdict is not."""
    counts = Counter(result.word for result in results)
    parts = [f"{counts[word]} {word.replace('_', ' ')}" for word in STYLES if counts[word]]
    noun = "image" if len(results) == 1 else "images"
    return f"{len(results)} {noun}: {', '.join(parts)}. A verdict is an estimate, not proof."


def shown(path: str) -> str:
    """A path safe to print: control and direction characters are escaped."""
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c)[0] == "C" else c
        for c in path
    )


def _note(result: Result) -> str:
    if result.error:
        parts = (result.error["code"], result.error["detail"])
        return shown(": ".join(part for part in parts if part))
    return ", ".join(result.reasons)
