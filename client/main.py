"""The `unmask` command."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from client import output
from client.check import (
    EXIT_FAILED,
    EXIT_INCONCLUSIVE,
    Result,
    exit_code,
    judge_all,
    load_predictor,
)
from client.files import find
from ml.decoder import Decoder
from ml.errors import MLError


class Judged(SystemExit):
    """The end of a check, with the exit code that its results call for."""


app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def unmask() -> None:
    """Judge whether photographs are generated or manipulated."""


@app.command()
def check(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Images, folders of images, or - for standard input.", metavar="PATH"),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Comma-separated, with a head.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Images decoded at once.")] = 2,
    model: Annotated[str, typer.Option(help="A shipped model, such as paper_cnn.")] = "default",
) -> None:
    """Judge images on this machine, without a server.

    Exit code: 3 if any file failed, else 1 if any is likely manipulated, else 2 if any is
    inconclusive, else 0.
    """
    if as_json and as_csv:
        raise typer.BadParameter("choose one of --json and --csv")
    files = find(paths)
    if not files:
        _stop(f"no image found in {', '.join(output.shown(str(path)) for path in paths)}")
    write = output.write_json if as_json else output.write_csv if as_csv else output.write_line
    if as_csv:
        output.write_csv_head()
    try:
        results = _check(files, write, min(jobs, len(files)), model)
    except MLError as error:
        _stop(f"cannot judge anything: {error}")
    except BrokenPipeError:  # `unmask check ... | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Judged(EXIT_FAILED) from None
    if not (as_json or as_csv):
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(output.summary(results), style="dim")
    raise Judged(exit_code(results))


def run() -> None:
    """Entry point of the command."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except Judged:
        raise
    except SystemExit as end:  # an option mistyped ends with 2, which is a verdict here
        sys.exit(EXIT_FAILED if end.code == EXIT_INCONCLUSIVE else end.code)


def _check(files: Sequence[Path], write: output.Write, jobs: int, model: str) -> list[Result]:
    results = []
    with ExitStack() as stack:
        decoders = [stack.enter_context(Decoder()) for _ in range(jobs)]
        for decoder in decoders:
            decoder.start()  # gets ready while the network loads
        predictor = load_predictor(model)
        advance = stack.enter_context(_progress(len(files)))
        for result in judge_all(files, decoders, predictor):
            write(result)
            advance()
            results.append(result)
    return results


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on standard error, where that is a terminal and there is something to wait for."""
    console = Console(stderr=True)
    if not console.is_terminal or total == 1:
        yield lambda: None
        return
    columns = (TextColumn("Checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # With results going elsewhere, rich must not draw them above its bar.
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
    with bar:
        task = bar.add_task("check", total=total)
        yield lambda: bar.advance(task)


def _stop(message: str) -> NoReturn:
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
    console.print(f"unmask: {message}", style="red")
    raise Judged(EXIT_FAILED)


if __name__ == "__main__":
    run()
