"""A real, tiny network in the registry: red pictures are fakes, whatever else they hold."""

from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from detection.models import ModelVersion
from detection.services import registry, review_rules
from tests.ml.tiny import write_artifact
from tests.review_desk import moderator

AFTER_A_REVIEW = {
    "telling": ("review_completed", "review_withdrawn"),
    "reviewed_labels": ("learn", "unlearn"),
}


@pytest.fixture
def red_model(db: None, tmp_path: Path) -> ModelVersion:
    """The red detector, registered and active."""
    folder = tmp_path / "red_detector"
    version = registry.register_artifact(folder, by=None, sha256=write_artifact(folder))
    registry.activate(version, by=None)
    version.refresh_from_db()
    return version


@pytest.fixture
def erin(db: None) -> User:
    """Another moderator."""
    return moderator("erin")


@pytest.fixture
def strict(db: None) -> None:
    """The review desk wants one opinion on every item, and hands out no golden ones."""
    review_rules.set_rules(by=moderator("rules"), second_opinion_share=0, golden_share=0)


@pytest.fixture
def passed_on(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the review desk told and let be learnt, by name, instead of doing it."""
    calls: list[str] = []

    def note(name: str) -> Any:
        return lambda *_args: calls.append(name)

    for module, names in AFTER_A_REVIEW.items():
        for name in names:
            monkeypatch.setattr(f"detection.services.{module}.{name}", note(name))
    return calls
