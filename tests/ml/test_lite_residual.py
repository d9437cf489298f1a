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


def photos(n: int, size: int) -> np.ndarray:
    """Pictures in the network's range."""
    bytes_ = np.stack([np.asarray(photo_like(size, size, seed)) for seed in range(n)])
    return (bytes_.astype(np.float32) - 127) / 128


def inner(network, layer: str, images: np.ndarray) -> np.ndarray:
    import keras

    return np.asarray(keras.Model(network.inputs[0], network.get_layer(layer).output)(images))


def test_the_head_sees_trunk_and_branch(network):
    assert inner(network, "cells", photos(2, 64)).shape == (2, 2, 2, 1344)
    assert inner(network, "score", photos(2, 64)).shape == (2, 1)


def test_the_export_head_gives_the_trained_heads_score(network):
    from ml.networks.lite_residual import with_evidence

    images = photos(3, 64)
    logit, _, embedding = with_evidence(network, 64).predict(images, verbose=0)
    score = network.predict(images, verbose=0)
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), score, atol=1e-5)
    assert embedding.shape == (3, 1344)


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
