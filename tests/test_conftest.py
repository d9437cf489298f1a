"""What the fixtures of every test promise."""

import pytest
from django.test import Client
from django.utils import translation


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_starts_in_english(db: None, client: Client, turn: int) -> None:
    assert translation.get_language() == "en"
    client.get("/accounts/login/", headers={"Accept-Language": "ar"})
    assert translation.get_language() == "ar"
