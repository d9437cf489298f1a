"""A program with a key, and a real, tiny network in the registry."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import User
from detection.models import ModelVersion
from detection.services import registry
from tests.ml.tiny import write_artifact


@pytest.fixture
def red_model(db: None, tmp_path: Path) -> ModelVersion:
    """The red detector, registered and active: red pictures are fakes, whatever else they hold."""
    folder = tmp_path / "red_detector"
    version = registry.register_artifact(folder, by=None, sha256=write_artifact(folder))
    registry.activate(version, by=None)
    version.refresh_from_db()
    return version


@pytest.fixture
def api(alice: User, key_of: Callable[..., str]) -> Client:
    """A program of alice's, with a key of all scopes."""
    return Client(headers={"Authorization": f"Bearer {key_of(alice)}"})
