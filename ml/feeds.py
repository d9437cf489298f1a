"""What the training loop feeds on: each epoch's batches, and the images it is judged by."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
from PIL import Image

from ml.datasets.arrays import degraded_arrays, plain_arrays
from ml.datasets.drawing import BatchPlan, Drawers
from ml.datasets.manifest import Sample
from ml.datasets.pixel_store import pixel_store
from ml.datasets.replay import Replay
from ml.datasets.views import ViewPairs
from ml.experiment import Selection, TrainingConfig, ViewSchedule
from ml.preprocess import Preprocessing

OnStage = Callable[[str], Callable[[int, int], None]]


class Feed(Protocol):
    """One run's data.

    Attributes:
        val_images: every validation image in the network's range.
        watched: rows of them that each epoch is judged by.
    """

    val_images: np.ndarray
    val_label: np.ndarray
    watched: np.ndarray

    def batches(self, epoch: int) -> keras.utils.PyDataset:
        """An epoch's batches, drawn from seed and epoch alone: a resumed run sees the same."""
        ...

    def close(self) -> None:
        """End what was started to draw them."""
        ...


def open_feed(
    config: TrainingConfig,
    selection: Selection,
    cache: Path,
    stage: OnStage,
    *,
    stored: Selection,
    drawers: int = 0,
    replay: Replay | None = None,
) -> Feed:
    """Prepare a run's images, or find them prepared.

    Args:
        drawers: processes that draw views; 0 draws them in threads of this one.
        stored: rows whose pixels are prepared for views. Runs that each leave out a source share
            those of the whole selection.
        replay: which training rows are old, and their share.
    Raises:
        DatasetError: files that cannot be read; all are listed.
    """
    if config.views is None:
        return ArrayFeed(config, selection, cache, stage, replay=replay)
    return ViewFeed(
        config,
        config.views,
        selection,
        cache,
        stage,
        stored=stored,
        drawers=drawers,
        replay=replay,
    )


class ArrayFeed:
    """Whole pictures, prepared once in a few degraded copies."""

    def __init__(
        self,
        config: TrainingConfig,
        selection: Selection,
        cache: Path,
        stage: OnStage,
        *,
        replay: Replay | None = None,
    ) -> None:
        self.config, self.replay, self.rows = config, replay, selection.train
        self.arrays = self._train_arrays(selection.train, cache, stage("training images"))
        self.label = _labels(selection.train)
        plain = plain_arrays(selection.val, config.preprocessing, cache, stage("validation images"))
        self.val_images = config.preprocessing.normalise(plain)
        self.val_label = _labels(selection.val)
        self.watched = np.arange(len(self.val_label))

    def batches(self, epoch: int) -> keras.utils.PyDataset:
        generator = np.random.default_rng([self.config.seed, epoch])
        if self.replay is None:
            order = generator.permutation(len(self.label))
        else:
            order = self.replay.one_epoch(self.rows, generator)
        return _ArrayBatches(self.config, self.arrays, self.label, epoch, order)

    def close(self) -> None:
        """Nothing was started."""

    def _train_arrays(
        self, samples: tuple[Sample, ...], cache: Path, on_step: Callable[[int, int], None]
    ) -> np.ndarray:
        config = self.config
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


class ViewFeed:
    """Pairs of views drawn anew for every batch; judged by the whole picture, as served."""

    def __init__(
        self,
        config: TrainingConfig,
        schedule: ViewSchedule,
        selection: Selection,
        cache: Path,
        stage: OnStage,
        *,
        stored: Selection,
        drawers: int = 0,
        replay: Replay | None = None,
    ) -> None:
        self.config, self.schedule = config, schedule
        store = pixel_store(stored.train, cache, stage("training images"))
        pairs = ViewPairs(schedule.recipe, selection.train, store, replay=replay)
        self.drawers = Drawers(pairs, drawers)
        judged = pixel_store(stored.val, cache, stage("validation images"))
        whole = [
            config.preprocessing.resize(Image.fromarray(judged.pixels(sample.sha256)))
            for sample in selection.val
        ]
        self.val_images = config.preprocessing.normalise(np.stack(whole))
        self.val_label = _labels(selection.val)
        order = np.random.default_rng(config.seed).permutation(len(whole))
        self.watched = np.sort(order[: schedule.watched])

    def batches(self, epoch: int) -> keras.utils.PyDataset:
        return _ViewBatches(self.config, self.schedule, self.drawers, epoch)

    def close(self) -> None:
        self.drawers.close()


class _ArrayBatches(keras.utils.PyDataset):
    def __init__(
        self,
        config: TrainingConfig,
        arrays: np.ndarray,
        label: np.ndarray,
        epoch: int,
        order: np.ndarray,
    ) -> None:
        super().__init__(workers=2, max_queue_size=8)
        self.config, self.arrays, self.label, self.epoch = config, arrays, label, epoch
        self.order = order

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.config.batch_size)

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


class _ViewBatches(keras.utils.PyDataset):
    """Batches of pairs: as many reals as fakes in each; copies, if any, after all views."""

    def __init__(
        self, config: TrainingConfig, schedule: ViewSchedule, drawers: Drawers, epoch: int
    ) -> None:
        super().__init__(workers=2, max_queue_size=8)
        showings = 1 if schedule.recipe.copy is None else 2
        n_pairs = config.batch_size // 2 // showings
        self.steps = schedule.steps_per_epoch
        self.label = np.tile(np.array([[0.0], [1.0]], np.float32), (showings * n_pairs, 1))
        self.preprocessing: Preprocessing = config.preprocessing
        plan = BatchPlan((config.seed, epoch), n_pairs, showings, schedule.size_of(epoch))
        self.drawn = drawers.epoch(plan, self.steps)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, at: int) -> tuple[np.ndarray, np.ndarray]:
        return self.preprocessing.normalise(self.drawn.take(at)), self.label


def _labels(samples: tuple[Sample, ...]) -> np.ndarray:
    return np.array([[sample.label] for sample in samples], dtype=np.float32)
