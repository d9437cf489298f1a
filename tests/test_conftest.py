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


def test_what_takes_long_comes_first_unless_it_asks_the_database():
    items = [
        Collected("rolled back", "django_db"),
        Collected("upgrade", "django_db", "slow"),
        Collected("quick"),
        Collected("training", "slow"),
        Collected("another", "slow"),
    ]
    config = SimpleNamespace(getoption=lambda name: name != "--only-database")
    conftest.pytest_collection_modifyitems(config, items)
    names = [item.name for item in items]
    assert names == ["training", "another", "rolled back", "upgrade", "quick"]


def test_kinds_of_tests_lie_where_ci_looks_for_them(request: pytest.FixtureRequest):
    """On PostgreSQL it collects nothing below `ml`; what breaks processes, in two folders alone."""
    items = request.session.items
    below_ml = [item for item in items if item.nodeid.startswith("tests/ml/")]
    assert [item.nodeid for item in below_ml if conftest._asks_the_database(item)] == []
    breaking = [item.nodeid for item in items if item.get_closest_marker("integration")]
    assert {name.split("/")[1] for name in breaking} <= {"chaos", "integration"}
