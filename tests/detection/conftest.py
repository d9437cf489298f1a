"""A real, tiny network in the registry: red pictures are fakes, whatever else they hold."""

from pathlib import Path

import pytest

from detection.models import ModelVersion
from detection.services import registry
from tests.ml.tiny import write_artifact


@pytest.fixture
def red_model(db: None, tmp_path: Path) -> ModelVersion:
    """The red detector, registered and active."""
    folder = tmp_path / "red_detector"
    version = registry.register_artifact(folder, by=None, sha256=write_artifact(folder))
    registry.activate(version, by=None)
    version.refresh_from_db()
    return version
