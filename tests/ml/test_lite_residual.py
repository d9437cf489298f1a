"""Slow: imports Keras."""

import numpy as np
import pytest

from tests.images import photo_like

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network():
    import keras

    from ml.networks.lite_residual import build

    keras.utils.set_random_seed(3)
    return build(None)


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    from ml.networks.imagenet import imagenet_weights

    return imagenet_weights()


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
    from ml.networks.lite_residual import with_evidence

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
    assert embedding.shape == (3, 1344)
    np.testing.assert_allclose(weighed, logit, atol=1e-4)


@pytest.mark.parametrize("size", [32, 64, 160])
def test_any_multiple_of_32_goes_in(network, size):
    assert inner(network, "cells", photos(2, size)).shape == (2, size // 32, size // 32, 1344)
    assert inner(network, "score", photos(2, size)).shape == (2, 1)


def test_the_trunk_starts_from_the_imagenet_weights(network, weights):
    from ml.networks.lite_residual import _names

    for ours, convolution, norm in _names():
        kernel = np.asarray(network.get_layer(ours).kernel)
        np.testing.assert_array_equal(kernel.ravel(), weights[f"{convolution}.weight"])
        spread = network.get_layer(f"{ours}_norm").moving_variance
        np.testing.assert_array_equal(spread, weights[f"{norm}.running_var"])


def test_every_convolution_of_the_file_has_a_place(weights):
    from ml.networks.lite_residual import _names

    listed = {f"{convolution}.weight" for _, convolution, _ in _names()}
    norms = {f"{norm}.running_mean" for _, _, norm in _names()}
    assert listed == {n for n in weights if "conv" in n and n.endswith(".weight")}
    assert norms == {n for n in weights if n.endswith("running_mean")}


def test_the_weights_lie_in_the_order_the_layers_read(network):
    """Read in torch's order instead, none of these layers comes above 0.25."""
    layers = [f"block{at}_{kind}" for at in (0, 3, 7, 11, 15) for kind in ("depthwise", "project")]
    for layer in layers:
        seen = inner(network, layer, photos(4, 224)).mean(axis=(0, 1, 2))
        recorded = np.asarray(network.get_layer(f"{layer}_norm").moving_mean)
        assert np.corrcoef(seen, recorded)[0, 1] > 0.6


def test_the_residual_of_a_plain_picture_is_nothing(network):
    plain = np.full((1, 64, 64, 3), 0.3, np.float32)
    np.testing.assert_allclose(inner(network, "residual", plain), 0, atol=1e-6)


def test_the_residual_is_what_halving_and_doubling_loses(network):
    images = photos(1, 64)
    blocks = images.reshape(1, 32, 2, 32, 2, 3).mean(axis=(2, 4))
    expected = 8 * (images - blocks.repeat(2, axis=1).repeat(2, axis=2))
    np.testing.assert_allclose(inner(network, "residual", images), expected, atol=1e-5)


def test_the_branch_judges_patches_of_29_pixels(network):
    images = photos(1, 128)
    touched = images.copy()
    touched[0, 64, 64] += 0.5
    change = inner(network, "branch3_relu", touched) - inner(network, "branch3_relu", images)
    rows, columns = np.nonzero(np.abs(change[0]).max(axis=2) > 1e-6)
    # 8 pixels between cells: a patch of 29, widened by the 2 of the averages, meets 4 at most
    assert 1 <= np.ptp(rows) + 1 <= 4
    assert 1 <= np.ptp(columns) + 1 <= 4


def test_its_size_is_as_stated(network):
    branch = [layer for layer in network.layers if layer.name.startswith("branch")]
    assert 3.3e6 < network.count_params() < 3.6e6
    assert 0.03e6 < sum(layer.count_params() for layer in branch) < 0.08e6
