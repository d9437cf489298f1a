"""One experiment as a value: what to build, what to learn from, for how long."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ml.datasets.augment import Augmentation, Degradation
from ml.datasets.manifest import Manifest, Sample
from ml.datasets.recipe import ViewRecipe
from ml.preprocess import Preprocessing


@dataclass(frozen=True)
class Selection:
    """What a run learns from and what it watches; test rows are in neither."""

    train: tuple[Sample, ...]
    val: tuple[Sample, ...]


@dataclass(frozen=True)
class ViewSchedule:
    """Training on views that are drawn anew for every batch.

    Attributes:
        sizes: side of the views in pixels, one for each epoch: small ones first are cheaper. The
            last one stays where a run has more epochs.
        steps_per_epoch: batches between two checkpoints.
        warmup_steps: batches over which the learning rate rises, before it falls as a cosine.
        decay_steps: batches until the cosine's end; those of the whole run unless said.
        label_smoothing: how far labels are drawn towards 1/2; some of them are wrong.
        steadiness: weight of the difference between a view's logit and its copy's in the loss; the
            recipe then says what a copy is.
        watched: validation images that every epoch is judged by; the last sees them all.
    """

    sizes: tuple[int, ...]
    recipe: ViewRecipe = field(default_factory=ViewRecipe)
    steps_per_epoch: int = 250
    warmup_steps: int = 250
    decay_steps: int | None = None
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    steadiness: float = 0.0
    watched: int = 512

    def size_of(self, epoch: int) -> int:
        """Side of the views of one epoch, counted from 0."""
        return self.sizes[min(epoch, len(self.sizes) - 1)]

    def __post_init__(self) -> None:
        if self.steadiness and self.recipe.copy is None:
            raise ValueError("steadiness compares views with copies, and the recipe makes none")


@dataclass(frozen=True)
class TrainingConfig:
    """One experiment, complete but for the data's path.

    Attributes:
        network: module of `ml.networks` with `build` and `with_evidence`.
        select: picks the rows to learn from and to watch; its second argument is the seed.
        patience: epochs without a better validation loss before stopping; None never stops.
        checkpoint: which epoch's weights are the run's result, by validation loss or the last.
        degradation: applied to every image in each of `copies` copies; None trains on plain ones.
        starts_from: the config whose finished run gives the first weights; None begins anew.
        goes_on: it may as well begin with any weights of its network, whatever config made them.
        replay_share: where it goes on, the share of an epoch for images already learnt from.
        left_out: a source that is neither learnt from nor watched.
        frozen: names of layers, or patterns of them, that keep the weights they begin with; a
            frozen normalisation uses its stored mean and variance.
        views: training on views instead of whole prepared pictures; `augmentation`,
            `degradation` and `copies` are then not used.
        is_mirrored: the run's figures are of the mean of a picture's score and its mirror image's;
            an artifact judges pictures as they are.
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
    views: ViewSchedule | None = None
    starts_from: str | None = None
    goes_on: bool = False
    replay_share: float | None = None
    left_out: str | None = None
    frozen: tuple[str, ...] = ()
    seed: int = 1
    is_mirrored: bool = False
    is_exportable: bool = True

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "select": f"{self.select.__module__}.{self.select.__name__}"}
