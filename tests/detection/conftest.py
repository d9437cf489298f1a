"""A real, tiny network in the registry: red pictures are fakes, whatever else they hold."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import User
from detection.models import ModelVersion, ReviewItem
from detection.services import registry
from tests.ml.tiny import write_artifact
from tests.review_desk import opened


@pytest.fixture
def red_model(db: None, tmp_path: Path) -> ModelVersion:
    """The red detector, registered and active."""
    folder = tmp_path / "red_detector"
    version = registry.register_artifact(folder, by=None, sha256=write_artifact(folder))
    registry.activate(version, by=None)
    version.refresh_from_db()
    return version


@pytest.fixture
def desk(client_of: Callable[[User], Client], carol: User) -> Client:
    """The moderator's browser."""
    return client_of(carol)


@pytest.fixture
def item(alice: User, model_version: ModelVersion) -> ReviewItem:
    return opened(alice, model_version)
