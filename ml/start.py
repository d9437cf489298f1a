"""The weights a training begins with: a finished run's, or those beside a shipped artifact."""

import hashlib
import importlib
import json
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from ml.artifact import SIDECAR_FILE
from ml.errors import RunError
from ml.run_folder import RUN_FILE, RunFolder
from ml.steady import load

# Half precision, half the size: enough to go on training from, never what is served.
WEIGHTS_FILE = "weights.npz"


@dataclass(frozen=True)
class Start:
    """Where a run begins.

    Attributes:
        name: of the config that made the weights.
        network: its module of `ml.networks`.
        path: a checkpoint of Keras, or `WEIGHTS_FILE`.
        sha256: of that file.
    """

    name: str
    network: str
    path: Path
    sha256: str

    def give_to(self, model: keras.Model) -> None:
        """Put the weights into a network of the same architecture, or into a part of it.

        A network of another module takes its layers' weights by name; where one of its layers
        sees fewer channels, it takes the leading ones.

        Raises:
            RunError: the network does not fit.
        """
        try:
            if self.network == model.name:
                model.set_weights(self.weights())
            else:
                _give_parts(self._giver(), model)
        except ValueError as error:
            raise RunError("run_mismatch", f"{self.path} fits another network") from error

    def weights(self) -> list[np.ndarray]:
        """As Keras lists those of this network, float32."""
        if self.path.name != WEIGHTS_FILE:
            trained = load(self.path, compile=False)
            return list(trained.get_weights())
        with np.load(self.path, allow_pickle=False) as stored:
            return [stored[f"w{at}"].astype(np.float32) for at in range(len(stored.files))]

    def _giver(self) -> keras.Model:
        giver: keras.Model = importlib.import_module(f"ml.networks.{self.network}").build(None)
        giver.set_weights(self.weights())
        return giver


def _give_parts(giver: keras.Model, taker: keras.Model) -> None:
    for layer in taker.layers:
        if wanted := layer.get_weights():
            given = giver.get_layer(layer.name).get_weights()
            parts = [
                weights[tuple(map(slice, own.shape))]
                for weights, own in zip(given, wanted, strict=True)
            ]
            layer.set_weights(parts)


def read_start(folder: Path) -> Start:
    """The weights in a folder: of a finished run, or of an artifact that was exported with them.

    Raises:
        RunError: there are none, the run is unfinished, or they are not the ones exported.
    """
    if (folder / RUN_FILE).exists():
        run = RunFolder(folder)
        path = run.result()
        config = run.description()["config"]
        return Start(config["name"], config["network"], path, _sha256(path))
    path = folder / WEIGHTS_FILE
    if not path.exists():
        raise RunError("run_missing", f"{folder} holds neither a run nor {WEIGHTS_FILE}")
    training = json.loads((folder / SIDECAR_FILE).read_text())["training"]
    if training.get("weights_sha256") != _sha256(path):
        raise RunError("run_mismatch", f"{path} is not what was exported with its artifact")
    config = training["config"]
    return Start(config["name"], config["network"], path, _sha256(path))


def save_weights(model: keras.Model, path: Path) -> str:
    """Write a network's weights in half precision; gives the file's SHA-256."""
    arrays = {f"w{at}": w.astype(np.float16) for at, w in enumerate(model.get_weights())}
    np.savez_compressed(path, **arrays)
    return _sha256(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
