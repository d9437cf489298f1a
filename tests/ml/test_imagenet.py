import importlib.util
import pickle
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from ml.networks import imagenet
from ml.networks.imagenet import LITE0, LITE2, imagenet_weights

installed = pytest.mark.skipif(
    any(importlib.util.find_spec(known.package) is None for known in (LITE0, LITE2)),
    reason="the packages with ImageNet weights are not installed",
)


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return imagenet_weights(LITE0)


@installed
def test_every_tensor_is_there_at_its_size(weights):
    assert len(weights) == 296
    sizes = {name: weights[name].size for name in ("_conv_stem.weight", "_fc.weight", "_fc.bias")}
    assert sizes == {"_conv_stem.weight": 864, "_fc.weight": 1_280_000, "_fc.bias": 1000}
    assert sum(w.size for w in weights.values() if w.dtype == np.float32) == 4_694_024


@installed
def test_the_wider_networks_tensors_are_there_too():
    wider = imagenet_weights(LITE2)
    assert wider["_conv_head.weight"].size == 352 * 1280
    assert wider["_fc.weight"].size == 1_280_000
    assert sum(name.endswith("running_var") for name in wider) == 64


@installed
def test_counters_are_whole_numbers_and_all_else_is_finite(weights):
    for name, tensor in weights.items():
        is_counter = name.endswith("num_batches_tracked")
        assert tensor.dtype == (np.int64 if is_counter else np.float32)
        assert np.isfinite(tensor).all()


@installed
def test_each_tensor_has_its_own_name(weights):
    spreads = [w for name, w in weights.items() if name.endswith("running_var")]
    assert len(spreads) == 49
    # a name shifted by one would call means spreads, and means are of either sign
    assert all((spread >= 0).all() for spread in spreads)
    assert any((w < 0).any() for name, w in weights.items() if name.endswith("running_mean"))


@installed
def test_nothing_is_unpickled(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    assert len(imagenet_weights(LITE0)) == 296


@installed
def test_a_changed_byte_is_refused(monkeypatch, tmp_path: Path):
    real = Path(importlib.util.find_spec(LITE0.package).origin).parent / LITE0.file
    content = bytearray(real.read_bytes())
    content[-1] ^= 1
    (tmp_path / LITE0.file).parent.mkdir(parents=True)
    (tmp_path / LITE0.file).write_bytes(content)
    spec = ModuleSpec(LITE0.package, None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(imagenet.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ValueError, match=r"efficientnet-lite0.* has SHA-256"):
        imagenet_weights(LITE0)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(imagenet.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="training group"):
        imagenet_weights(LITE0)
