"""Slow: imports Keras."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network():
    import keras

    from ml.networks.paper_cnn import build

    keras.utils.set_random_seed(3)
    return build(128)


def test_its_layers_are_the_papers(network):
    layers = [(type(layer).__name__, layer.output.shape[1:]) for layer in network.layers]
    assert layers == [
        ("Conv2D", (126, 126, 32)),
        ("MaxPooling2D", (63, 63, 32)),
        ("Conv2D", (61, 61, 64)),
        ("MaxPooling2D", (30, 30, 64)),
        ("Flatten", (57600,)),
        ("Dense", (128,)),
        ("Dropout", (128,)),
        ("Dense", (1,)),
        ("Activation", (1,)),
    ]
    assert network.count_params() == 7_392_449
    assert network.get_layer("dropout").rate == 0.5


def test_evidence_per_cell_and_what_no_cell_owns_make_up_the_logit(network):
    from ml.networks.paper_cnn import with_evidence

    images = np.random.default_rng(2).random((3, 128, 128, 3), np.float32)
    hidden, last = network.get_layer("hidden"), network.get_layer("logit")
    hidden.bias.assign(np.linspace(-0.1, 0.1, 128))
    last.bias.assign([0.25])
    logit, activation = (np.asarray(out) for out in with_evidence(network, 128)(images))

    import keras

    units = keras.Model(network.inputs[0], hidden.output).predict(images, verbose=0)
    through = (units > 0) @ (np.asarray(hidden.bias)[:, None] * np.asarray(last.kernel))
    explained = activation.sum(axis=(1, 2)) + through[:, 0] + 0.25
    assert activation.shape == (3, 30, 30)
    np.testing.assert_allclose(explained, logit[:, 0], atol=1e-4)


def test_the_export_head_gives_the_trained_heads_logit(network):
    from ml.networks.paper_cnn import with_evidence

    images = np.random.default_rng(4).random((3, 128, 128, 3), np.float32)
    logit = np.asarray(with_evidence(network, 128)(images)[0])
    score = network.predict(images, verbose=0)
    np.testing.assert_allclose(1 / (1 + np.exp(-logit)), score, atol=1e-5)
