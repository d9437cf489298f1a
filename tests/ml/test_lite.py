"""Slow: imports Keras."""

import importlib
import re

import numpy as np
import pytest

from tests.images import photo_like

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["lite", "lite2"])
def module(request):
    return importlib.import_module(f"ml.networks.{request.param}")


@pytest.fixture(scope="module")
def network(module):
    import keras

    keras.utils.set_random_seed(3)
    return module.build(None)


@pytest.fixture(scope="module")
def weights(module) -> dict[str, np.ndarray]:
    from ml.networks.imagenet import imagenet_weights

    return imagenet_weights(module.PLAN.weights)


def photos(n: int, size: int) -> np.ndarray:
    """Pictures in the network's range."""
    bytes_ = np.stack([np.asarray(photo_like(size, size, seed)) for seed in range(n)])
    return (bytes_.astype(np.float32) - 127) / 128


def inner(network, layer: str, images: np.ndarray) -> np.ndarray:
    import keras

    return np.asarray(keras.Model(network.inputs[0], network.get_layer(layer).output)(images))


@pytest.fixture(scope="module")
def exported(network) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logit, activation and embedding of three pictures."""
    from ml.networks.efficientnet import with_evidence

    logit, activation, embedding = with_evidence(network, 64).predict(photos(3, 64), verbose=0)
    return logit, activation, embedding


def test_the_evidence_of_the_cells_averages_to_the_logit(exported):
    logit, activation, _ = exported
    assert (logit.shape, activation.shape) == ((3, 1), (3, 2, 2))
    assert activation.std() > 0
    np.testing.assert_allclose(activation.mean(axis=(1, 2)), logit[:, 0], atol=1e-5)


def test_the_export_head_gives_the_trained_heads_score(network, exported):
    score = network.predict(photos(3, 64), verbose=0)
    np.testing.assert_allclose(1 / (1 + np.exp(-exported[0])), score, atol=1e-5)


def test_the_embedding_is_what_the_last_layer_weighs(network, exported):
    logit, _, embedding = exported
    last = network.get_layer("evidence")
    weighed = embedding @ np.asarray(last.kernel)[0, 0] + np.asarray(last.bias)
    assert embedding.shape == (3, 1280)
    np.testing.assert_allclose(weighed, logit, atol=1e-4)


@pytest.mark.parametrize("size", [32, 64, 160])
def test_any_multiple_of_32_goes_in(network, size):
    assert inner(network, "head_relu", photos(2, size)).shape == (2, size // 32, size // 32, 1280)
    assert inner(network, "score", photos(2, size)).shape == (2, 1)


def test_the_trunk_starts_from_the_imagenet_weights(module, network, weights):
    from ml.networks.efficientnet import weight_names

    for ours, convolution, norm in weight_names(module.PLAN):
        kernel = np.asarray(network.get_layer(ours).kernel)
        np.testing.assert_array_equal(kernel.ravel(), weights[f"{convolution}.weight"])
        spread = network.get_layer(f"{ours}_norm").moving_variance
        np.testing.assert_array_equal(spread, weights[f"{norm}.running_var"])


def test_every_convolution_of_the_file_has_a_place(module, weights):
    from ml.networks.efficientnet import weight_names

    listed = {f"{convolution}.weight" for _, convolution, _ in weight_names(module.PLAN)}
    norms = {f"{norm}.running_mean" for _, _, norm in weight_names(module.PLAN)}
    assert listed == {n for n in weights if "conv" in n and n.endswith(".weight")}
    assert norms == {n for n in weights if n.endswith("running_mean")}


def test_the_weights_lie_in_the_order_the_layers_read(network):
    """Read in torch's order instead, none of these layers comes above 0.25."""
    layers = [f"block{at}_{kind}" for at in (0, 3, 7, 11, 15) for kind in ("depthwise", "project")]
    for layer in layers:
        seen = inner(network, layer, photos(4, 224)).mean(axis=(0, 1, 2))
        recorded = np.asarray(network.get_layer(f"{layer}_norm").moving_mean)
        assert np.corrcoef(seen, recorded)[0, 1] > 0.6


def test_its_size_is_as_stated(module, network):
    stated = float(re.search(r"([0-9.]+) million parameters", module.__doc__)[1])
    assert abs(network.count_params() / 1e6 - stated) < 0.1


def test_it_takes_the_weights_of_the_network_with_a_branch(tmp_path):
    import keras

    from ml.networks import lite, lite_residual
    from ml.start import WEIGHTS_FILE, Start, save_weights

    keras.utils.set_random_seed(4)
    larger, path = lite_residual.build(None), tmp_path / WEIGHTS_FILE
    sha256 = save_weights(larger, path)
    taker = lite.build(None)
    Start("any", "lite_residual", path, sha256).give_to(taker)
    for name in ("stem", "block15_project", "head"):
        given, wanted = (np.asarray(m.get_layer(name).kernel) for m in (taker, larger))
        np.testing.assert_allclose(given, wanted, rtol=1e-3, atol=1e-4)
    kernel = np.asarray(larger.get_layer("evidence").kernel)[:, :, :1280]
    np.testing.assert_allclose(taker.get_layer("evidence").kernel, kernel, atol=1e-3)


def test_weights_of_a_network_that_lacks_a_layer_are_refused(module, network, tmp_path):
    from ml.errors import RunError
    from ml.networks import lite_residual
    from ml.start import WEIGHTS_FILE, Start, save_weights

    path = tmp_path / WEIGHTS_FILE
    start = Start("any", module.__name__.split(".")[-1], path, save_weights(network, path))
    with pytest.raises(RunError, match="another network"):
        start.give_to(lite_residual.build(None))
