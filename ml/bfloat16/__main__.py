"""`KERAS_BACKEND=torch python -m ml.bfloat16 CONFIG --data MANIFEST --run FOLDER --start FOLDER`.

`benchmarks/bfloat16.py` names the two settings that keep memory at hand.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ml.bfloat16.loop import train
from ml.commands import named_config, reported
from ml.datasets.source import read_data
from ml.progress import ProgressBars
from ml.run_folder import RunFolder
from ml.start import read_start
from ml.tables import score_table

console = Console()


def main(
    config: Annotated[str, typer.Argument(help="A module of ml/configs that learns from views.")],
    *,
    data: Annotated[Path, typer.Option(exists=True, help="A manifest.")],
    run_folder: Annotated[Path, typer.Option("--run", help="Where the run keeps its state.")],
    start: Annotated[Path, typer.Option(help="A finished run or an artifact with weights.")],
    cache: Annotated[
        Path | None, typer.Option(help="Prepared images [default: RUN/cache].")
    ] = None,
    drawers: Annotated[int, typer.Option(min=0, help="Processes that draw views.")] = 1,
) -> None:
    """Train a network in bfloat16; the same command again resumes an interrupted run."""
    chosen, run = named_config(config), RunFolder(run_folder)
    with reported(), run.held(), ProgressBars(console) as bars:
        manifest = read_data(data, seed=chosen.seed, on_read=lambda a, b: bars("reading", a, b))
        result = train(
            chosen,
            manifest,
            run,
            cache or run_folder / "cache",
            bars,
            start=read_start(start),
            drawers=drawers,
        )
    console.print(score_table(result))


typer.run(main)
