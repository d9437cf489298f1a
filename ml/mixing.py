"""One network of several trainings that began with the same weights: a part of what each learnt.

The weights are those of the beginning, moved by a share of the way to each training's. Between
trainings that began alike lies a plateau on which the network ranks as well as at either end, at
the cost of one network.
Source: Ilharco et al., Editing Models with Task Arithmetic, ICLR 2023.
"""

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import keras

from ml.artifact import SIDECAR_FILE
from ml.errors import RunError
from ml.licences import named_in
from ml.run_folder import RUN_FILE, RunFolder, RunState
from ml.start import Start, read_start

# Said of a training by the artifact it became, and not by the run of a mixture.
_OF_THE_ARTIFACT = ("epochs", "best_epoch", "weights_sha256")


@dataclass(frozen=True)
class Part:
    """A finished run, or the weights that are kept of one, and the share of the way to them.

    Raises:
        ValueError: the share is not above 0 and at most 1.
    """

    folder: Path
    share: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read FOLDER:SHARE."""
        folder, _, share = text.rpartition(":")
        return cls(Path(folder), float(share))

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {self.share}")


def mix(base: Path, parts: Sequence[Part], run: RunFolder, name: str) -> None:
    """Make a finished run of a network's weights and of those of trainings that started with them.

    Args:
        base: folder of an artifact with weights, or of what is kept of one.
        name: of the network, once it is an artifact.
    Raises:
        RunError: the first is a mixture itself; a part is unfinished, did not start with its
            weights, used other data or other sources, or spends test rows; or the folder holds
            another run.
    """
    start, told = read_start(base), _training(base)
    if "mixed" in told:
        raise RunError("run_mismatch", f"{base} is a mixture itself")
    described = [_described(part, start, told) for part in parts]
    kept = {key: value for key, value in told.items() if key not in _OF_THE_ARTIFACT}
    # there is one checkpoint, whichever epoch the first was best at
    config = {**told["config"], "name": name, "starts_from": start.name, "checkpoint": "last"}
    mixed = {**kept, "config": config, "mixed": described, "start_sha256": start.sha256}
    run.claim(mixed)
    epoch = told["epochs"]
    _mixed(start, parts, config).save(run.checkpoint(epoch))
    run.record(RunState(), RunState(epoch=epoch, best_epoch=told["best_epoch"], is_finished=True))


def _training(folder: Path) -> dict[str, Any]:
    if (folder / RUN_FILE).exists():
        return RunFolder(folder).told()
    told: dict[str, Any] = json.loads((folder / SIDECAR_FILE).read_text())["training"]
    return told


def _described(part: Part, start: Start, told: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a part; refuses one that does not belong."""
    learnt, own = read_start(part.folder), _training(part.folder)
    belongs = {
        "began with other weights": own.get("start_sha256") == start.sha256,
        "is of another network": learnt.network == start.network,
        "learnt from other data": own["manifest_sha256"] == told["manifest_sha256"],
        "learnt from other sources": named_in(own["licence_notes"])
        <= named_in(told["licence_notes"]),
        "learnt from test rows": own["config"]["is_exportable"],
    }
    for text, holds in belongs.items():
        if not holds:
            raise RunError("run_mismatch", f"{part.folder} {text}")
    return {
        "name": learnt.name,
        "share": part.share,
        "epochs": own["epochs"],
        "n": own["train"]["n"],
        "weights_sha256": learnt.sha256,
    }


def _mixed(start: Start, parts: Sequence[Part], config: dict[str, Any]) -> keras.Model:
    # views come in several sizes
    size = None if config["views"] else config["preprocessing"]["size"]
    model: keras.Model = importlib.import_module(f"ml.networks.{start.network}").build(size)
    base = moved = start.weights()
    for part in parts:
        learnt = read_start(part.folder).weights()
        steps = [part.share * (after - before) for before, after in zip(base, learnt, strict=True)]
        moved = [weights + step for weights, step in zip(moved, steps, strict=True)]
    model.set_weights(moved)
    return model
