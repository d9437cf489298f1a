"""Networks and data small enough to be written by hand."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ml.artifact import FORMAT, MODEL_FILE, SIDECAR_FILE, artifact_sha256
from ml.calibration import Calibration
from ml.decision import OperatingPoint
from ml.decoder import Decoded, ImageFacts
from ml.inference import Predictor
from ml.preprocess import Preprocessing

SIZE = 16
POINT = OperatingPoint(
    authentic_below=0.3,
    manipulated_from=0.7,
    max_false_accusation_rate=0.02,
    max_missed_fake_rate=0.1,
    min_side_px=SIZE,
    stability_transforms=("jpeg_85", "scale_75"),
)


def red_detector(gain: float = 10.0) -> onnx.ModelProto:
    """Logit = gain * (mean of red - 0.5): red pictures are fakes, whatever else they hold."""
    weights = np.zeros((SIZE, SIZE, 3, 1), np.float32)
    weights[:, :, 0] = gain / SIZE**2
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["logit"]),
        helper.make_node("ReduceMean", ["image"], ["activation"], axes=[3], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "red_detector",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n", 1]),
            helper.make_tensor_value_info("activation", TensorProto.FLOAT, ["n", SIZE, SIZE]),
        ],
        [
            numpy_helper.from_array(weights.reshape(-1, 1), "weights"),
            numpy_helper.from_array(np.array([-gain / 2], np.float32), "bias"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def sidecar(point: OperatingPoint = POINT) -> dict[str, Any]:
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
    }


def write_artifact(
    folder: Path, *, point: OperatingPoint = POINT, model: bytes | None = None
) -> str:
    """Write the red detector as an artifact; gives its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(model or red_detector().SerializeToString())
    (folder / SIDECAR_FILE).write_text(json.dumps(sidecar(point)))
    return artifact_sha256(folder)


def predictor(folder: Path, *, point: OperatingPoint = POINT) -> Predictor:
    return Predictor.load(folder, registered={write_artifact(folder, point=point)})


def plain(red: int, green: int, blue: int, *, side: int = 32, **facts: Any) -> Decoded:
    """A decoded picture of one colour."""
    pixels = np.full((side, side, 3), (red, green, blue), np.uint8)
    return Decoded(pixels, ImageFacts("PNG", side, side, "RGB", **facts))


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


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes() if path.exists() else b"").hexdigest()
