"""A program with a key, and a real, tiny network in the registry."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from detection.models import ModelVersion, ReviewItem
from detection.services import registry
from tests.ml.tiny import write_artifact
from tests.review_desk import opened


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


@pytest.fixture
def brought_to_desk(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was brought to the review desk, which does nothing else: (detection, reason, by)."""
    brought: list[tuple[Any, ...]] = []

    def open_item(detection: Any, reason: str, *, by: Any = None) -> None:
        brought.append((detection.pk, str(reason), by))

    monkeypatch.setattr("detection.services.review.open_item", open_item)
    return brought


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What became a label or ceased to be one, in order: ("learn", item) or ("unlearn", image)."""
    done: list[tuple[str, Any]] = []
    for name in ("learn", "unlearn"):
        monkeypatch.setattr(
            f"detection.services.reviewed_labels.{name}",
            lambda row, name=name, **_: done.append((name, row.pk)),
        )
    return done


@pytest.fixture
def other_version(db: None) -> ModelVersion:
    """A newer version that exists in the registry only."""
    return ModelVersion.objects.create(name="fake", version="2", artifact_sha256="e" * 64)


@pytest.fixture
def desk(client_of: Callable[[User], Client], carol: User) -> Client:
    """The moderator's browser."""
    return client_of(carol)


@pytest.fixture
def item(alice: User, model_version: ModelVersion) -> ReviewItem:
    return opened(alice, model_version)
