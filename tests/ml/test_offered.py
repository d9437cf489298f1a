"""What the desk is told of a config, without loading it, is what the config says."""

import importlib

import pytest

from ml.configs.offered import OFFERED
from ml.experiment import TrainingConfig


def config_of(name: str) -> TrainingConfig:
    config: TrainingConfig = importlib.import_module(f"ml.configs.{name}").CONFIG
    return config


@pytest.mark.parametrize("name", OFFERED)
def test_an_offer_says_what_its_config_says(name: str):
    offer, config = OFFERED[name], config_of(name)
    assert offer.config == name == config.name
    assert (offer.network, offer.size) == (config.network, config.preprocessing.size)
    assert offer.epochs == config.epochs <= offer.max_epochs
    assert offer.needs_both == (config.views is not None)


@pytest.mark.parametrize("name", OFFERED)
def test_what_is_offered_can_go_on_from_its_own_artifact_and_be_exported(name: str):
    config = config_of(name)
    assert config.goes_on
    assert config.is_exportable
    assert config.replay_share
    assert config.starts_from is None


def test_a_run_may_have_more_epochs_than_sizes_of_views():
    views = config_of("desk_lite").views
    assert views is not None
    assert views.size_of(50) == views.sizes[-1]
