"""The training loop: seed, batches, checkpoints, resume."""

import importlib
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from ml.curves import draw_curves
from ml.datasets.arrays import degraded_arrays, plain_arrays
from ml.datasets.manifest import Manifest, Sample
from ml.evaluation import score_report
from ml.experiment import Selection, TrainingConfig
from ml.licences import licence_notes
from ml.run_folder import METRICS_FILE, RunFolder, RunState, write_json

CURVES_FILE = "curves.svg"


class Report(Protocol):
    """Told how far a named stage has come."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None: ...


def train(
    config: TrainingConfig, manifest: Manifest, run: RunFolder, cache: Path, report: Report
) -> dict[str, Any]:
    """Train, or take up a run where it was interrupted; gives the metrics on its validation rows.

    Raises:
        DatasetError: files that cannot be read; all are listed.
        RunError: the folder holds a run with another configuration or other data.
    """
    selection = config.select(manifest, config.seed)
    run.claim(describe(config, manifest, selection))
    loop = _Loop(config, selection, run, cache, report)
    model = loop.run_to_end()
    score = model.predict(loop.val_images, batch_size=config.batch_size, verbose=0)[:, 0]
    result = score_report(selection.val, score)
    write_json(run.path / METRICS_FILE, result)
    return result


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
    """One run's arrays and the epochs over them."""

    def __init__(
        self,
        config: TrainingConfig,
        selection: Selection,
        run: RunFolder,
        cache: Path,
        report: Report,
    ) -> None:
        self.config, self.run, self.report = config, run, report
        self.arrays = self._train_arrays(selection.train, cache)
        self.label = _labels(selection.train)
        plain = plain_arrays(
            selection.val, config.preprocessing, cache, self._stage("validation images")
        )
        self.val_images = config.preprocessing.normalise(plain)
        self.val_label = _labels(selection.val)

    def run_to_end(self) -> keras.Model:
        """Epochs until the run is finished; gives the model it stands for."""
        state = self.run.state()
        if not state.is_finished:
            model = self._model(state)
            while not state.is_finished:
                state = self._epoch(model, state)
        return keras.saving.load_model(self.run.result())

    def _epoch(self, model: keras.Model, state: RunState) -> RunState:
        batches = _Batches(self.config, self.arrays, self.label, state.epoch)
        stage = f"epoch {state.epoch + 1}/{self.config.epochs}"
        _seed_dropout(model, self.config.seed, state.epoch)
        fitted = model.fit(
            batches,
            validation_data=(self.val_images, self.val_label),
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
        if state.epoch:
            return keras.saving.load_model(self.run.checkpoint(state.epoch))
        keras.utils.set_random_seed(self.config.seed)
        network = importlib.import_module(f"ml.networks.{self.config.network}")
        model = network.build(self.config.preprocessing.size)
        model.compile(
            optimizer=keras.optimizers.Adam(self.config.learning_rate),
            loss="binary_crossentropy",
            metrics=["accuracy"],
        )
        return model

    def _train_arrays(self, samples: tuple[Sample, ...], cache: Path) -> np.ndarray:
        config, on_step = self.config, self._stage("training images")
        if config.degradation is None:
            return plain_arrays(samples, config.preprocessing, cache, on_step)[:, None]
        return degraded_arrays(
            samples,
            config.preprocessing,
            config.degradation,
            cache,
            on_step,
            copies=config.copies,
            seed=config.seed,
        )

    def _stage(self, name: str) -> Callable[[int, int], None]:
        return lambda done, total: self.report(name, done, total)


class _Batches(keras.utils.PyDataset):
    """One epoch's batches, drawn from seed and epoch alone: a resumed run sees the same ones."""

    def __init__(
        self, config: TrainingConfig, arrays: np.ndarray, label: np.ndarray, epoch: int
    ) -> None:
        super().__init__(workers=2, max_queue_size=8)
        self.config, self.arrays, self.label, self.epoch = config, arrays, label, epoch
        self.order = np.random.default_rng([config.seed, epoch]).permutation(len(label))

    def __len__(self) -> int:
        return math.ceil(len(self.label) / self.config.batch_size)

    def __getitem__(self, at: int) -> tuple[np.ndarray, np.ndarray]:
        size = self.config.batch_size
        rows = self.order[at * size : (at + 1) * size]
        generator = np.random.default_rng([self.config.seed, self.epoch, at])
        images = np.stack([self._image(row, generator) for row in rows])
        return self.config.preprocessing.normalise(images), self.label[rows]

    def _image(self, row: int, generator: np.random.Generator) -> np.ndarray:
        image: np.ndarray = self.arrays[row, generator.integers(self.arrays.shape[1])]
        augmentation = self.config.augmentation
        return augmentation.apply(image, generator) if augmentation else image


class _Progress(keras.callbacks.Callback):
    def __init__(self, report: Report, stage: str, total: int) -> None:
        super().__init__()
        self.report, self.stage, self.total = report, stage, total

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if batch + 1 < self.total:  # the end of the epoch has more to say, after validation
            loss = (logs or {}).get("loss", 0)
            self.report(self.stage, batch + 1, self.total, f"loss {loss:.3f}")


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


def _labels(samples: tuple[Sample, ...]) -> np.ndarray:
    return np.array([[sample.label] for sample in samples], dtype=np.float32)


def _counts(samples: tuple[Sample, ...]) -> dict[str, int]:
    fakes = sum(sample.label for sample in samples)
    return {"n": len(samples), "n_fake": fakes, "n_real": len(samples) - fakes}
