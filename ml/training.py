"""The training loop: seed, batches, checkpoints, resume."""

import importlib
from contextlib import closing
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ml.curves import draw_curves
from ml.datasets.manifest import Manifest, Sample
from ml.datasets.replay import Replay
from ml.datasets.selections import with_replay
from ml.errors import RunError
from ml.evaluation import score_report
from ml.experiment import Selection, TrainingConfig
from ml.feeds import Feed, OnStage, open_feed
from ml.licences import licence_notes
from ml.progress import Report
from ml.run_folder import METRICS_FILE, RunFolder, RunState, write_json
from ml.start import Start
from ml.steady import load, steady

CURVES_FILE = "curves.svg"


def train(
    config: TrainingConfig,
    manifest: Manifest,
    run: RunFolder,
    cache: Path,
    report: Report,
    *,
    start: Start | None = None,
    drawers: int = 0,
    learnt: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Train, or take up a run where it was interrupted; gives the metrics on its validation rows.

    Args:
        start: weights of `config.starts_from`, where the config names one, or of its network,
            where it goes on.
        learnt: SHA-256 of the images that the start has learnt from.
        drawers: processes that draw views; their number changes no batch. 0 draws in threads.
    Raises:
        DatasetError: files that cannot be read; all are listed.
        RunError: the folder holds a run with another configuration or other data.
    """
    chosen = config.select(manifest, config.seed)
    first = _checked(config, start)
    replay = _replay(config, learnt) if first else None
    if replay is not None:
        chosen = Selection(with_replay(chosen.train, replay), chosen.val)
    selection = without(chosen, config.left_out)
    told = describe(config, manifest, selection)
    if first is not None:
        told["start_sha256"] = first.sha256
    if replay is not None:
        told["replay"] = replay.described(selection.train)
    run.claim(told)
    stages = _stages(report)
    opened = open_feed(
        config, selection, cache, stages, stored=chosen, drawers=drawers, replay=replay
    )
    with closing(opened) as feed:
        model = _Loop(config, feed, run, report, first=first).run_to_end()
    result = score_report(selection.val, scores(config, model, feed.val_images))
    write_json(run.path / METRICS_FILE, result)
    return result


def scores(config: TrainingConfig, model: keras.Model, images: np.ndarray) -> np.ndarray:
    """P(fake) (n,) of prepared pictures (n, size, size, 3), by a config's finished run."""
    shown = [images, images[:, :, ::-1]] if config.is_mirrored else [images]
    each = [model.predict(part, batch_size=config.batch_size, verbose=0)[:, 0] for part in shown]
    mean: np.ndarray = np.mean(each, axis=0)
    return mean


def without(chosen: Selection, source: str | None) -> Selection:
    """The same but for a source that is neither learnt from nor watched."""
    train, val = (
        tuple(row for row in rows if row.source != source) for rows in (chosen.train, chosen.val)
    )
    return Selection(train, val)


def _checked(config: TrainingConfig, start: Start | None) -> Start | None:
    if config.goes_on and (start is None or start.network == config.network):
        return start
    given = start.name if start else None
    if given != config.starts_from:
        raise RunError("run_mismatch", f"{config.name} starts from {config.starts_from}: {given}")
    return start


def _replay(config: TrainingConfig, learnt: frozenset[str]) -> Replay | None:
    return Replay(config.replay_share, learnt) if config.replay_share and learnt else None


def describe(config: TrainingConfig, manifest: Manifest, selection: Selection) -> dict[str, Any]:
    """What makes one run differ from another; a run resumes only where all of it is equal."""
    return {
        "config": config.to_json(),
        "manifest_sha256": manifest.sha256,
        "train": _counts(selection.train),
        "val": _counts(selection.val),
        "licence_notes": licence_notes(selection.train),
        "keras": keras.__version__,
    }


class _Loop:
    """One run's feed and the epochs over it."""

    def __init__(
        self,
        config: TrainingConfig,
        feed: Feed,
        run: RunFolder,
        report: Report,
        *,
        first: Start | None,
    ) -> None:
        self.config, self.feed, self.run, self.report = config, feed, run, report
        self.first = first

    def run_to_end(self) -> keras.Model:
        """Epochs until the run is finished; gives the model it stands for."""
        state = self.run.state()
        if not state.is_finished:
            model = self._model(state)
            while not state.is_finished:
                state = self._epoch(model, state)
        return load(self.run.result())

    def _epoch(self, model: keras.Model, state: RunState) -> RunState:
        feed, watched = self.feed, self.feed.watched
        batches = feed.batches(state.epoch)
        stage = f"epoch {state.epoch + 1}/{self.config.epochs}"
        _seed_dropout(model, self.config.seed, state.epoch)
        fitted = model.fit(
            batches,
            validation_data=(feed.val_images[watched], feed.val_label[watched]),
            validation_batch_size=self.config.batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[_Progress(self.report, stage, len(batches))],
        )
        done = _after(self.config, state, {key: row[0] for key, row in fitted.history.items()})
        model.save(self.run.checkpoint(done.epoch))
        self.run.record(state, done)
        draw_curves(done.history, self.run.path / CURVES_FILE)
        self.report(stage, len(batches), len(batches), _note(done))
        return done

    def _model(self, state: RunState) -> keras.Model:
        steadiness = self.config.views.steadiness if self.config.views else 0.0
        if state.epoch:
            return steady(load(self.run.checkpoint(state.epoch)), steadiness)
        keras.utils.set_random_seed(self.config.seed)
        network = importlib.import_module(f"ml.networks.{self.config.network}")
        # views come in several sizes
        size = None if self.config.views else self.config.preprocessing.size
        model = steady(network.build(size), steadiness)
        if self.first is not None:
            self.first.give_to(model)
        _freeze(model, self.config.frozen)
        optimizer, loss = _optimizer_and_loss(self.config)
        model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
        return model


def _stages(report: Report) -> OnStage:
    return lambda name: lambda done, total: report(name, done, total)


class _Progress(keras.callbacks.Callback):
    def __init__(self, report: Report, stage: str, total: int) -> None:
        super().__init__()
        self.report, self.stage, self.total = report, stage, total

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if batch + 1 < self.total:  # the end of the epoch has more to say, after validation
            loss = (logs or {}).get("loss", 0)
            self.report(self.stage, batch + 1, self.total, f"loss {loss:.3f}")


def _freeze(model: keras.Model, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        layers = [layer for layer in model.layers if fnmatchcase(layer.name, pattern)]
        if not layers:
            raise ValueError(f"no layer is called {pattern}")
        for layer in layers:
            layer.trainable = False


def _optimizer_and_loss(config: TrainingConfig) -> tuple[Any, Any]:
    if config.views is None:
        return keras.optimizers.Adam(config.learning_rate), "binary_crossentropy"
    schedule = config.views
    steps = schedule.decay_steps or config.epochs * schedule.steps_per_epoch
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=steps - schedule.warmup_steps,
        alpha=0.01,
        warmup_target=config.learning_rate,
        warmup_steps=schedule.warmup_steps,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=schedule.weight_decay)
    return optimizer, keras.losses.BinaryCrossentropy(label_smoothing=schedule.label_smoothing)


def _after(config: TrainingConfig, state: RunState, figures: dict[str, float]) -> RunState:
    epoch = state.epoch + 1
    done = replace(state, epoch=epoch, history=[*state.history, {"epoch": epoch, **figures}])
    if state.best_loss is None or figures["val_loss"] < state.best_loss:
        done.best_loss, done.best_epoch = figures["val_loss"], epoch
    is_stale = config.patience is not None and epoch - done.best_epoch >= config.patience
    done.is_finished = is_stale or epoch >= config.epochs
    return done


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    # A saved model forgets where its random layers stood, so every epoch sets them anew.
    for variable in model.variables:
        if variable.name == "seed_generator_state":
            variable.assign([seed, epoch << 16])


def _note(state: RunState) -> str:
    last = state.history[-1]
    figures = f"loss {last['loss']:.3f}, validation {last['val_loss']:.3f}"
    return f"{figures}, accuracy {last['val_accuracy']:.3f} (best epoch {state.best_epoch})"


def _counts(samples: tuple[Sample, ...]) -> dict[str, int]:
    fakes = sum(sample.label for sample in samples)
    return {"n": len(samples), "n_fake": fakes, "n_real": len(samples) - fakes}
