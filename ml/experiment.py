"""One experiment as a value: what to build, what to learn from, for how long."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ml.datasets.augment import Augmentation, Degradation
from ml.datasets.manifest import Manifest, Sample
from ml.preprocess import Preprocessing


@dataclass(frozen=True)
class Selection:
    """What a run learns from and what it watches; test rows are in neither."""

    train: tuple[Sample, ...]
    val: tuple[Sample, ...]


@dataclass(frozen=True)
class TrainingConfig:
    """One experiment, complete but for the data's path.

    Attributes:
        network: module of `ml.networks` with `build` and `with_evidence`.
        select: picks the rows to learn from and to watch; its second argument is the seed.
        patience: epochs without a better validation loss before stopping; None never stops.
        checkpoint: which epoch's weights are the run's result, by validation loss or the last.
        degradation: applied to every image in each of `copies` copies; None trains on plain ones.
        is_exportable: False where the run spends rows that an honest test needs.
    """

    name: str
    network: str
    preprocessing: Preprocessing
    select: Callable[[Manifest, int], Selection]
    epochs: int
    batch_size: int = 32
    learning_rate: float = 1e-3
    patience: int | None = None
    checkpoint: Literal["best", "last"] = "best"
    augmentation: Augmentation | None = field(default_factory=Augmentation)
    degradation: Degradation | None = field(default_factory=Degradation)
    copies: int = 3
    seed: int = 1
    is_exportable: bool = True

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "select": f"{self.select.__module__}.{self.select.__name__}"}
