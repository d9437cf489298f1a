from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from ml.domain import Domain, fit

FEATURES, ROWS = 24, 600


def features(n: int = ROWS, seed: int = 0) -> np.ndarray:
    """Rows that spread over a few directions far more than over the others."""
    generator = np.random.default_rng(seed)
    mixed = generator.normal(size=(n, 6)) @ np.random.default_rng(9).normal(size=(6, FEATURES))
    return (5 + mixed + 0.1 * generator.normal(size=(n, FEATURES))).astype(np.float32)


@pytest.fixture(scope="module")
def domain() -> Domain:
    return fit(features(), components=4)


def test_the_training_images_lie_at_a_mean_squared_distance_of_two(domain: Domain):
    assert (domain.distance(features()) ** 2).mean() == pytest.approx(2, rel=0.01)


def test_images_of_the_same_kind_lie_as_near(domain: Domain):
    assert (domain.distance(features(seed=1)) ** 2).mean() == pytest.approx(2, rel=0.15)


def test_its_middle_is_nowhere_far(domain: Domain):
    assert domain.distance(domain.mean[None]) == pytest.approx(0, abs=1e-3)


def test_a_strange_image_is_far_along_what_varies_and_along_what_does_not(domain: Domain):
    usual = domain.distance(features()).max()
    along = domain.mean + 20 * np.sqrt(domain.variance[-1]) * domain.directions[:, -1]
    aside = domain.mean + np.linalg.svd(domain.directions)[0][:, -1] * 20 * np.sqrt(domain.rest)
    assert (domain.distance(np.stack([along, aside])) > 2 * usual).all()


def test_features_that_never_vary_divide_nothing_by_nothing():
    constant = np.concatenate([features()[:, :3], np.ones((ROWS, 3), np.float32)], axis=1)
    distance = fit(constant, components=4).distance(constant)
    assert np.isfinite(distance).all()


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="4 components need more than 4 images"):
        fit(features(4), components=4)
    assert fit(features(5), components=4).variance.shape == (4,)


def embedding_graph(path: Path) -> None:
    """A graph that gives its input back as logit, activation and embedding."""
    shapes = {"logit": ["n", 1], "activation": ["n", 1, 1], "embedding": ["n", FEATURES]}
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["logit"], axes=[1]),
        helper.make_node("Unsqueeze", ["logit", "axis"], ["activation"]),
        helper.make_node("Identity", ["image"], ["embedding"]),
    ]
    floats = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "identity",
        [floats("image", TensorProto.FLOAT, ["n", FEATURES])],
        [floats(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [onnx.numpy_helper.from_array(np.int64([2]), "axis")],
    )
    opset = [helper.make_opsetid("", 15)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


@pytest.mark.slow
def test_the_exported_graph_gives_the_same_distance(domain: Domain, tmp_path: Path):
    from ml.export import append_distance, output_names

    path = tmp_path / "model.onnx"
    embedding_graph(path)
    append_distance(path, domain)
    assert output_names(path) == {"logit", "activation", "distance"}
    rows = np.concatenate([features(seed=2), 3 * features(5, seed=3)])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [distance] = session.run(["distance"], {"image": rows})
    assert distance.shape == (len(rows), 1)
    np.testing.assert_allclose(distance[:, 0], domain.distance(rows), rtol=1e-4, atol=1e-4)
