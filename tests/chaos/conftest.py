"""One desk for all rows that leave it whole, with faults that a row may arm."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.chaos.rows import NO_LIMITS
from tests.integration.installation import Installation


@pytest.fixture(scope="session")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where faults are armed; see `tests.chaos.faults`."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory, faults: Path) -> Iterator[Installation]:
    with Installation(
        tmp_path_factory.mktemp("chaos") / "data",
        DJANGO_SETTINGS_MODULE="tests.chaos.faulty_settings",
        UNMASK_FAULTS=str(faults),
        **NO_LIMITS,
    ) as running:
        yield running


@pytest.fixture(scope="session")
def client(desk: Installation) -> Iterator[httpx.Client]:
    with desk.client() as one:
        yield one
