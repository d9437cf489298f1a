"""Networks and data small enough to be written by hand."""

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from ml.artifact import FORMAT, MODEL_FILE, SIDECAR_FILE, artifact_sha256
from ml.calibration import Calibration
from ml.datasets.manifest import Sample
from ml.datasets.pixel_store import PixelStore
from ml.decision import OperatingPoint
from ml.decoder import Decoded, ImageFacts
from ml.inference import Predictor
from ml.preprocess import Preprocessing
from tests.images import encode

SIZE = 16
POINT = OperatingPoint(
    authentic_below=0.3,
    manipulated_from=0.7,
    max_false_accusation_rate=0.02,
    max_missed_fake_rate=0.1,
    min_side_px=SIZE,
    stability_transforms=("jpeg_85", "scale_75"),
)


def red_detector(gain: float = 10.0, *, has_distance: bool = False) -> onnx.ModelProto:
    """Logit = gain * (mean of red - 0.5): red pictures are fakes, whatever else they hold.

    Args:
        has_distance: it also gives the distance of a picture from reddish ones, the mean of green.
    """
    weights = np.zeros((SIZE, SIZE, 3, 1), np.float32)
    weights[:, :, 0] = gain / SIZE**2
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logit"]),
        helper.make_node("ReduceMean", ["image"], ["activation"], axes=[3], keepdims=0),
    ]
    outputs = [
        helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n", 1]),
        helper.make_tensor_value_info("activation", TensorProto.FLOAT, ["n", SIZE, SIZE]),
    ]
    constants = [
        numpy_helper.from_array(weights.reshape(-1, 1), "weights"),
        numpy_helper.from_array(np.array([-gain / 2], np.float32), "bias"),
    ]
    if has_distance:
        green = np.roll(weights, 1, axis=2).reshape(-1, 1) / gain
        constants.append(numpy_helper.from_array(green, "green"))
        nodes.append(helper.make_node("MatMul", ["flat", "green"], ["distance"]))
        outputs.append(helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["n", 1]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", SIZE, SIZE, 3])
    graph = helper.make_graph(nodes, "red_detector", [image], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def sidecar(point: OperatingPoint = POINT, **extras: Any) -> dict[str, Any]:
    """What stands beside the red detector; `extras` are further fields, or other values."""
    return {
        "format": FORMAT,
        "name": "red_detector",
        "version": "1",
        "architecture": "red_detector",
        "preprocessing": Preprocessing(SIZE, "bicubic", 1 / 255).to_json(),
        "calibration": Calibration(1.0, 0.0, 0.5, 2).to_json(),
        "operating_point": point.to_json(),
        "metrics": {},
        "training": {},
        "licence_notes": ["drawn in code"],
        "limits": ["sees red only"],
        **extras,
    }


def write_artifact(
    folder: Path, *, point: OperatingPoint = POINT, model: bytes | None = None, **extras: Any
) -> str:
    """Write the red detector as an artifact; gives its SHA-256. `extras` are the sidecar's."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(model or red_detector().SerializeToString())
    (folder / SIDECAR_FILE).write_text(json.dumps(sidecar(point, **extras)))
    return artifact_sha256(folder)


def predictor(folder: Path, **options: Any) -> Predictor:
    """The red detector, loaded; `options` are those of `write_artifact`."""
    return Predictor.load(folder, registered={write_artifact(folder, **options)})


def plain(red: int, green: int, blue: int, *, side: int = 32, **facts: Any) -> Decoded:
    """A decoded picture of one colour."""
    pixels = np.full((side, side, 3), (red, green, blue), np.uint8)
    return Decoded(pixels, ImageFacts("PNG", side, side, "RGB", **facts))


def decoded(image: Image.Image, **facts: Any) -> Decoded:
    """A drawn picture as the decoder gives it."""
    pixels = np.asarray(image.convert("RGB"))
    return Decoded(pixels, ImageFacts("PNG", image.width, image.height, "RGB", **facts))


def drawn(folder: Path, source: str, counts: dict[str, int]) -> list[dict[str, str]]:
    """Blue reals and red fakes."""
    generator = np.random.default_rng([*source.encode()])
    rows = []
    for split, count in counts.items():
        for at in range(2 * count):
            label = ("real", "fake")[at % 2]
            path = folder / f"{source}-{split}-{at}.png"
            pixels = generator.integers(0, 120, (40, 40, 3), np.uint8)
            pixels[..., 0 if label == "fake" else 2] += 130
            path.write_bytes(encode(Image.fromarray(pixels), "PNG"))
            rows.append({"path": path.name, "label": label, "split": split, "source": source})
    return rows


def write_manifest(folder: Path, rows: list[dict[str, str]]) -> Path:
    """A manifest of files that exist; unnamed columns get values that pass."""
    path = folder / "manifest.csv"
    defaults = {"source": "drawn", "method": "", "group": "", "licence": "ours"}
    full = [{**defaults, "sha256": _sha256(folder / row["path"]), **row} for row in rows]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, sorted({key for row in full for key in row}))
        writer.writeheader()
        writer.writerows(full)
    return path


@dataclass(frozen=True, eq=False)
class Drawn:
    """One labelled picture of a data set that is on no disk.

    Attributes:
        face: left, top, width, height, then five landmarks; empty where there is none.
        copy_of: the real that a fake was made from; its method says so.
    """

    pixels: np.ndarray
    label: int
    source: str = "drawn"
    face: list[float] = field(default_factory=list)
    copy_of: "Drawn | None" = None

    @property
    def sha256(self) -> str:
        told = f"{self.label}{self.source}{self.pixels.shape}".encode()
        return hashlib.sha256(told + self.pixels.tobytes()).hexdigest()

    def sample(self) -> Sample:
        sha256 = self.sha256
        method = f"copy of {self.copy_of.sha256[:16]}" if self.copy_of else "drawn"
        path = Path(f"{sha256}.png")
        return Sample(path, self.label, self.source, method, sha256, "train", sha256, "ours")


def store_of(pictures: Sequence[Drawn]) -> tuple[list[Sample], PixelStore]:
    """Samples of drawn pictures and the store that holds their pixels."""
    sizes = [picture.pixels.size for picture in pictures]
    starts = [sum(sizes[:at]) for at in range(len(sizes))]
    index = {
        picture.sha256: {"at": [start, *picture.pixels.shape[:2]], "face": picture.face}
        for start, picture in zip(starts, pictures, strict=True)
    }
    data = np.concatenate([picture.pixels.ravel() for picture in pictures])
    return [picture.sample() for picture in pictures], PixelStore(data, index)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes() if path.exists() else b"").hexdigest()
