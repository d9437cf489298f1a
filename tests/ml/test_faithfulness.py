"""Detectors that see fine red stripes: one marks where they are, one where they are not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from ml.datasets.manifest import read_manifest
from ml.faithfulness import IMAGES, faithfulness
from ml.judging import CLEAN, Judged, judge
from tests.images import encode
from tests.ml.tiny import SIZE, write_artifact, write_manifest

CELLS = 2
GAIN = 200.0


def stripe_detector(sign: float) -> bytes:
    """Logit = gain * mean step of red between neighbours - 2; activation = sign * steps per cell.

    Masking blurs, so it must see what blurring takes away.
    """
    step = np.zeros((1, 3, 1, 2), np.float32)
    step[0, 0, 0] = (1, -1)
    side = SIZE // CELLS
    node = helper.make_node
    nodes = [
        node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        node("Conv", ["planes", "step"], ["signed"], pads=[0, 0, 0, 1]),
        node("Abs", ["signed"], ["steps"]),
        node("AveragePool", ["steps"], ["pooled"], kernel_shape=[side, side], strides=[side, side]),
        node("Squeeze", ["pooled", "channel"], ["cells"]),
        node("Mul", ["cells", "sign"], ["activation"]),
        node("ReduceMean", ["cells"], ["mean"], axes=[1, 2], keepdims=0),
        node("Unsqueeze", ["mean", "channel"], ["column"]),
        node("Mul", ["column", "gain"], ["scaled"]),
        node("Sub", ["scaled", "two"], ["logit"]),
    ]
    constants = {"sign": sign, "gain": GAIN, "two": 2.0}
    graph = helper.make_graph(
        nodes,
        "stripe_detector",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["n", 1]),
            helper.make_tensor_value_info("activation", TensorProto.FLOAT, ["n", CELLS, CELLS]),
        ],
        [
            numpy_helper.from_array(step, "step"),
            numpy_helper.from_array(np.array([1], np.int64), "channel"),
            *(numpy_helper.from_array(np.float32(v), name) for name, v in constants.items()),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def striped(corner: int) -> Image.Image:
    """Fine red stripes in one quarter, plain red elsewhere."""
    pixels = np.full((SIZE, SIZE, 3), (128, 0, 0), np.uint8)
    top, left = corner // 2 * SIZE // 2, corner % 2 * SIZE // 2
    quarter = pixels[top : top + SIZE // 2, left : left + SIZE // 2]
    quarter[:, ::2, 0], quarter[:, 1::2, 0] = 255, 0
    return Image.fromarray(pixels)


def judged(folder: Path, sign: float, n: int = 4) -> tuple[Path, list[Judged]]:
    artifact = folder / "artifact"
    write_artifact(artifact, model=stripe_detector(sign))
    rows = []
    for at in range(n):
        (folder / f"{at}.png").write_bytes(encode(striped(at % 4), "PNG"))
        rows.append({"path": f"{at}.png", "label": "fake", "split": "test"})
    samples = read_manifest(write_manifest(folder, rows)).samples
    return artifact, judge(artifact, samples, lambda done, total: None, jobs=1)[CLEAN]


@pytest.fixture(autouse=True)
def without_vetoes(monkeypatch: pytest.MonkeyPatch):
    # fine stripes do not survive the transforms of the stability check
    monkeypatch.setattr("ml.decision.OperatingPoint.is_unstable", lambda *_: False)


def test_masking_what_a_true_map_marks_moves_the_logit_more(tmp_path: Path):
    found = faithfulness(*judged(tmp_path, 1.0))
    assert found["n"] == 4
    assert found["fall_of_marked"] > 2 * found["fall_of_random"] > 0
    assert found["ahead"] == 1.0


def test_a_map_that_marks_the_wrong_cells_is_found_out(tmp_path: Path):
    found = faithfulness(*judged(tmp_path, -1.0))
    assert found["fall_of_marked"] < found["fall_of_random"]
    assert found["ahead"] < 0.5


def test_pictures_are_taken_evenly_from_all_that_were_called_manipulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    artifact, found = judged(tmp_path, 1.0)
    seen = []

    def falls(predictor, image, generator):
        seen.append(image.tobytes())
        return 1.0, 0.5

    monkeypatch.setattr("ml.faithfulness._falls", falls)
    many = [found[at // IMAGES] for at in range(2 * IMAGES - 1)]
    assert faithfulness(artifact, many)["n"] == IMAGES
    assert len(set(seen)) == 2


def test_where_nothing_was_called_manipulated_nothing_is_measured(tmp_path: Path):
    artifact, _ = judged(tmp_path, 1.0, n=1)
    assert faithfulness(artifact, []) == {"n": 0}
