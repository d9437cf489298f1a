"""The commands of `python -m ml`."""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ml import configs
from ml.alterations import ALTERATIONS, COPIES
from ml.artifact import DEFAULT_ARTIFACT, Artifact, artifact_sha256, shipped_hashes
from ml.datasets.folders import read_sets
from ml.datasets.manifest import SPLITS, read_manifest
from ml.datasets.replay import read_learnt
from ml.datasets.selections import thinned
from ml.datasets.source import read_data
from ml.decoder import MIN_SIDE, Decoder
from ml.errors import DatasetError, MLError, UnreadableImage
from ml.experiment import TrainingConfig
from ml.gate import obstacles
from ml.inference import Prediction, Predictor
from ml.model_card import render
from ml.operating_point import DEFAULT_RATES, ErrorRates
from ml.progress import ProgressBars, ProgressFile, Report, told_both
from ml.run_folder import RunFolder, write_json
from ml.tables import left_out_table, score_table, verdict_table


class CellChoice(StrEnum):
    """How much the evaluation report alters the pictures."""

    CLEAN = "clean"
    COPIES = "copies"
    ALL = "all"


CELLS = {
    CellChoice.CLEAN: (),
    CellChoice.COPIES: tuple(COPIES),
    CellChoice.ALL: tuple(ALTERATIONS),
}

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The detector, without Django.")
console = Console()
errors = Console(stderr=True)

Data = Annotated[
    Path, typer.Option("--data", exists=True, help="A manifest, or a folder with Real/ and Fake/.")
]
Labelled = Annotated[
    Path,
    typer.Option("--data", exists=True, help="A manifest, or a folder of sets NAME/{real,fake}."),
]
Drawing = Annotated[
    int,
    typer.Option(min=0, help="Processes that draw views, for a GPU; 0 draws them in threads."),
]
ProgressTo = Annotated[
    Path | None, typer.Option("--progress", help="Keep saying in this file how far it is, as JSON.")
]
Accepted = Annotated[
    list[str] | None,
    typer.Option("--sha256", help="Accept this artifact too, beside the shipped ones."),
]


@app.command()
def train(
    config: Annotated[str, typer.Argument(help="A module of ml/configs, such as paper_cnn.")],
    *,
    data: Data,
    run_folder: Annotated[Path, typer.Option("--run", help="Where the run keeps its state.")],
    cache: Annotated[
        Path | None, typer.Option(help="Prepared images [default: RUN/cache].")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    batch_size: Annotated[int | None, typer.Option(min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0)] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Epochs before stopping.")] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="A finished run or an artifact with weights, for configs that need it."),
    ] = None,
    learnt: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="SHA-256 of the images that the start has learnt from, one a line.",
        ),
    ] = None,
    progress: ProgressTo = None,
    drawers: Drawing = 0,
) -> None:
    """Train a network; the same command again resumes an interrupted run."""
    given: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "patience": patience,
        "seed": seed,
    }
    chosen = replace(named_config(config), **{k: v for k, v in given.items() if v is not None})
    run = RunFolder(run_folder)
    with reported(), run.held(), _followed(progress, run) as report:
        # 7 s to import: evaluate and predict must not pay for it.
        from ml.start import read_start
        from ml.training import train as train_network

        manifest = read_data(data, seed=chosen.seed, on_read=lambda a, b: report("reading", a, b))
        result = train_network(
            chosen,
            manifest,
            run,
            cache or run_folder / "cache",
            report,
            start=read_start(start) if start else None,
            drawers=drawers,
            learnt=read_learnt(learnt) if learnt else frozenset(),
        )
    console.print(score_table(result))
    console.print(f"Run kept in {run_folder}", soft_wrap=True)


@app.command()
def export(
    run_folder: Annotated[Path, typer.Argument(help="A finished run.")],
    *,
    data: Data,
    out: Annotated[Path, typer.Option(help="A new folder for the artifact.")],
    version: Annotated[str, typer.Option(help="Version to write into the sidecar.")],
    max_false_accusation_rate: Annotated[
        float, typer.Option(min=0, max=0.5)
    ] = DEFAULT_RATES.max_false_accusation_rate,
    max_missed_fake_rate: Annotated[
        float, typer.Option(min=0, max=0.5)
    ] = DEFAULT_RATES.max_missed_fake_rate,
    progress: ProgressTo = None,
    register: Annotated[bool, typer.Option(help="Add the hash to the shipped ones.")] = False,
) -> None:
    """Turn a finished run into an artifact, with thresholds from validation and test figures."""
    from ml.export import export_run
    from ml.export import register as register_artifact

    rates = ErrorRates(max_false_accusation_rate, max_missed_fake_rate)
    run = RunFolder(run_folder)
    with reported(), run.held(), _followed(progress, run) as report:
        seed = run.description()["config"]["seed"]
        manifest = read_data(data, seed=seed, on_read=lambda a, b: report("reading", a, b))
        artifact = export_run(run, manifest, out, report, version=version, rates=rates)
        if register:
            register_artifact(artifact)
    for part in ("val", "test", "test_degraded"):
        console.print(verdict_table(artifact.metrics[part], title=part))
    console.print(f"{out}: SHA-256 {artifact.sha256}", soft_wrap=True)


@app.command(name="fit-again")
def fit_again(
    artifact: Annotated[Path, typer.Argument(help="An artifact's folder.")],
    *,
    data: Data,
    out: Annotated[Path, typer.Option(help="A new folder for the artifact.")],
    version: Annotated[str, typer.Option(help="Version to write into the sidecar.")],
    register: Annotated[bool, typer.Option(help="Add the hash to the shipped ones.")] = False,
) -> None:
    """Choose an artifact's thresholds and the rest anew, by rules that changed since."""
    from ml.export import fit_again as fitted_again
    from ml.export import register as register_artifact

    with reported(), ProgressBars(console) as report:
        trained = Artifact.read(artifact, registered={artifact_sha256(artifact)}).training
        seed = trained["config"]["seed"]
        manifest = read_data(data, seed=seed, on_read=lambda a, b: report("reading", a, b))
        again = fitted_again(artifact, manifest, out, report, version=version)
        if register:
            register_artifact(again)
    console.print(verdict_table(again.metrics["test"], title="test"))
    console.print(f"{out}: SHA-256 {again.sha256}", soft_wrap=True)


@app.command()
def mix(
    base: Annotated[Path, typer.Argument(help="An artifact with weights, or what is kept of one.")],
    *,
    part: Annotated[
        list[str],
        typer.Option(help="FOLDER:SHARE, a training that started with them; may be repeated."),
    ],
    run_folder: Annotated[Path, typer.Option("--run", help="A new folder, to be exported.")],
    name: Annotated[str, typer.Option(help="What the network will be called.")],
) -> None:
    """Move a network's weights a part of the way to what further trainings of it learnt."""
    from ml import mixing

    run = RunFolder(run_folder)
    try:
        parts = [mixing.Part.parse(each) for each in part]
    except ValueError as error:
        raise typer.BadParameter(f"not FOLDER:SHARE: {error}") from error
    with reported(), run.held():
        mixing.mix(base, parts, run, name)
    console.print(f"Run kept in {run_folder}", soft_wrap=True)


@app.command()
def evaluate(
    *,
    data: Labelled,
    artifact: Annotated[Path, typer.Option(help="An artifact's folder.")] = DEFAULT_ARTIFACT,
    against: Annotated[
        list[Path] | None, typer.Option(help="An artifact to stand beside; may be repeated.")
    ] = None,
    split: Annotated[
        str, typer.Option(help=f"Of a manifest: one of {', '.join(SPLITS)}.")
    ] = "test",
    cells: Annotated[
        CellChoice, typer.Option(help="Judge altered pictures too: re-saved copies, or all kinds.")
    ] = CellChoice.COPIES,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only that many images of each source and label.")
    ] = None,
    left_out: Annotated[
        Path | None,
        typer.Option("--leave-one-out", exists=True, dir_okay=False, help="Show these figures."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write report.json and report.html into this folder.")
    ] = None,
    sha256: Accepted = None,
) -> None:
    """Judge labelled images as when serving, and report per source, method and kind of damage.

    The data are a manifest, or a folder of sets, each `name/real/` and `name/fake/`.
    """
    from ml.report import Scope, build_report

    registered = {*shipped_hashes(), *(sha256 or ())}
    extra = {"leave_one_source_out": json.loads(left_out.read_text())} if left_out else {}
    with reported(), ProgressBars(console) as bars:
        for folder in (artifact, *(against or ())):
            Artifact.read(folder, registered=registered)
        rows = read_manifest(data).split(split) if data.is_file() else read_sets(data).samples
        if not rows:
            raise DatasetError(f"{data}: no image in the split {split}")
        chosen = thinned(rows, lambda row: (row.source, row.label), limit or len(rows))
        scope = Scope(cells=CELLS[cells], copies=tuple(COPIES) if cells != "clean" else ())
        found = build_report(artifact, chosen, scope, bars, peers=tuple(against or ()))
    report = {**found, **extra}
    console.print(verdict_table(report["cells"]["clean"], title=report["artifact"]["name"]))
    if out:
        from ml.report_page import write_page

        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "report.json", report)
        write_page(report, out / "report.html")
        console.print(f"{out / 'report.html'}", soft_wrap=True)


@app.command()
def leave_one_out(
    config: Annotated[str, typer.Argument(help="A module of ml/configs: the short schedule.")],
    *,
    data: Data,
    runs: Annotated[Path, typer.Option(help="A folder for the runs, one for each source.")],
    out: Annotated[Path, typer.Option(help="Write the figures here as JSON.")],
    cache: Annotated[Path | None, typer.Option(help="Prepared images.")] = None,
    drawers: Drawing = 0,
) -> None:
    """Train once without each source, and measure on that source's test images."""
    from ml.leave_one_out import leave_each_out
    from ml.training import train as train_network

    with reported(), ProgressBars(console) as bars:
        manifest = read_manifest(data)
        chosen, prepared = named_config(config), cache or runs / "cache"
        trained = partial(train_network, drawers=drawers)
        figures = leave_each_out(chosen, manifest, runs, prepared, bars, train=trained)
    write_json(out, figures)
    console.print(left_out_table(figures))


@app.command()
def gate(
    new: Annotated[Path, typer.Argument(exists=True, help="report.json of the new model.")],
    last: Annotated[Path, typer.Option(exists=True, help="report.json of the last one.")],
) -> None:
    """Say why a new model may not follow the last one; exits with 1 if it may not."""
    found = obstacles(json.loads(new.read_text()), json.loads(last.read_text()))
    for line in found:
        errors.print(line, style="red", markup=False)
    if found:
        raise typer.Exit(1)
    console.print("Nothing fell: the new model may follow the last one.")


@app.command()
def predict(
    paths: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False)],
    artifact: Annotated[Path, typer.Option(help="An artifact's folder.")] = DEFAULT_ARTIFACT,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line an image.")] = False,
    sha256: Accepted = None,
) -> None:
    """Judge image files; exits with 3 if any cannot be read."""
    failed = False
    with reported():
        predictor = Predictor.load(artifact, registered={*shipped_hashes(), *(sha256 or ())})
    with Decoder() as decoder:
        for path in paths:
            try:
                prediction = predictor.predict([decoder.decode(path, min_side=MIN_SIDE)])[0]
            except UnreadableImage as error:
                failed = True
                _say(path, {"error": error.code}, as_json)
            else:
                _say(path, _summary(prediction), as_json)
    if failed:
        raise typer.Exit(3)


@app.command()
def card(
    out: Annotated[Path, typer.Option(help="Write the card here.")],
    artifact: Annotated[Path, typer.Option(help="An artifact's folder.")] = DEFAULT_ARTIFACT,
    sha256: Accepted = None,
) -> None:
    """Write an artifact's model card."""
    with reported():
        registered = {*shipped_hashes(), *(sha256 or ())}
        out.write_text(render(Artifact.read(artifact, registered=registered)))


def run() -> None:
    """Entry point of `python -m ml`."""
    app()


def named_config(name: str) -> TrainingConfig:
    """The experiment of a module of `ml.configs`.

    Raises:
        typer.BadParameter: there is none; says which there are.
    """
    known = [module.name for module in pkgutil.iter_modules(configs.__path__)]
    if name not in known:
        raise typer.BadParameter(f"no config {name!r}; one of {', '.join(known)}")
    config: TrainingConfig = importlib.import_module(f"ml.configs.{name}").CONFIG
    return config


def _summary(prediction: Prediction) -> dict[str, object]:
    probability = prediction.probability
    return {
        "verdict": prediction.verdict,
        "probability": None if probability is None else round(probability, 4),
        "reasons": list(prediction.reasons),
        "transforms": {name: round(p, 4) for name, p in prediction.transforms.items()},
        "timings_ms": {name: round(ms, 2) for name, ms in prediction.timings_ms.items()},
    }


def _say(path: Path, summary: dict[str, object], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"path": str(path), **summary}))
        return
    typer.echo(f"{path}: " + ", ".join(f"{name} {value}" for name, value in summary.items()))


@contextmanager
def _followed(progress: Path | None, run: RunFolder) -> Iterator[Report]:
    """Bars on the terminal; and, where somebody watches, the file that says the same."""
    with ProgressBars(console) as bars:
        if progress is None:
            yield bars
            return
        file = ProgressFile(progress, lambda: run.state().history)
        try:
            yield told_both(bars, file)
        except MLError as error:
            file.fail(error.code)
            raise


@contextmanager
def reported() -> Iterator[None]:
    """Says what went wrong in one line, and exits with 3."""
    try:
        yield
    except MLError as error:
        errors.print(str(error), style="red", markup=False)
        raise typer.Exit(3) from error
