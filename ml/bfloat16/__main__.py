"""`KERAS_BACKEND=torch python -m ml.bfloat16 CONFIG --data MANIFEST --run FOLDER [--start FOLDER]`.

With `--without-each FILE` it trains once without each source, in folders within the run's.
`benchmarks/bfloat16.py` names the two settings that keep memory at hand.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ml.bfloat16.loop import train
from ml.commands import named_config, reported
from ml.datasets.source import read_data
from ml.leave_one_out import leave_each_out
from ml.progress import ProgressBars
from ml.run_folder import RunFolder, write_json
from ml.start import read_start
from ml.tables import left_out_table, score_table

console = Console()


def main(
    config: Annotated[str, typer.Argument(help="A module of ml/configs that learns from views.")],
    *,
    data: Annotated[Path, typer.Option(exists=True, help="A manifest.")],
    run_folder: Annotated[
        Path, typer.Option("--run", help="Where the run keeps its state, or the runs theirs.")
    ],
    start: Annotated[
        Path | None,
        typer.Option(help="A finished run or an artifact with weights [default: ImageNet's]."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Prepared images [default: RUN/cache].")
    ] = None,
    drawers: Annotated[int, typer.Option(min=0, help="Processes that draw views.")] = 1,
    without_each: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Train once without each source instead, and write the figures here as JSON.",
        ),
    ] = None,
) -> None:
    """Train a network in bfloat16; the same command again resumes an interrupted run."""
    if without_each and start:
        raise typer.BadParameter("a start that knew the source left out would be no test")
    chosen, run, kept = named_config(config), RunFolder(run_folder), cache or run_folder / "cache"
    with reported(), run.held(), ProgressBars(console) as bars:
        manifest = read_data(data, seed=chosen.seed, on_read=lambda a, b: bars("reading", a, b))
        begun = read_start(start) if start else None
        trained = partial(train, start=begun, drawers=drawers)
        if without_each:
            figures = leave_each_out(chosen, manifest, run_folder, kept, bars, train=trained)
            write_json(without_each, figures)
            console.print(left_out_table(figures))
        else:
            console.print(score_table(trained(chosen, manifest, run, kept, bars)))


typer.run(main)
