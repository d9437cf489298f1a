"""What the fixtures of every test promise."""

from types import SimpleNamespace

import pytest
from django.test import Client
from django.utils import translation

from accounts.models import User
from tests import conftest


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_starts_in_english(db: None, client: Client, turn: int) -> None:
    assert translation.get_language() == "en"
    client.get("/accounts/login/", headers={"Accept-Language": "ar"})
    assert translation.get_language() == "ar"


@pytest.mark.django_db
def test_one_with_the_mark_asks_the_database(request: pytest.FixtureRequest) -> None:
    assert conftest._asks_the_database(request.node)


def test_so_does_one_whose_fixtures_do(request: pytest.FixtureRequest, alice: User) -> None:
    assert conftest._asks_the_database(request.node)


def test_another_one_does_not_and_is_left_out(request: pytest.FixtureRequest) -> None:
    asked, items = [], [request.node]
    config = SimpleNamespace(
        getoption=lambda name: name == "--only-database",
        hook=SimpleNamespace(pytest_deselected=lambda *, items: asked.extend(items)),
    )
    conftest.pytest_collection_modifyitems(config, items)
    assert (asked, items) == ([request.node], [])


class Collected:
    """As much of a collected test as its order takes."""

    def __init__(self, name: str, *markers: str) -> None:
        self.name, self.keywords, self.fixturenames = name, set(markers), ()

    def get_closest_marker(self, name: str) -> bool:
        return name in self.keywords


def test_neither_is_one_that_any_database_answers():
    asked: list[Collected] = []
    items = [Collected("refused", "django_db", "any_database"), Collected("written", "django_db")]
    config = SimpleNamespace(
        getoption=lambda name: name == "--only-database",
        hook=SimpleNamespace(pytest_deselected=lambda *, items: asked.extend(items)),
    )
    conftest.pytest_collection_modifyitems(config, items)
    assert [item.name for item in asked] == ["refused"]
    assert [item.name for item in items] == ["written"]
