"""When something breaks on our side: a number to tell the operator, nothing of the exception."""

import logging

import pytest
from django.db import OperationalError
from django.test import Client

from accounts.models import User
from detection import history

NUMBER = "a-number-to-tell"


@pytest.fixture
def browser(alice: User, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Alice's browser at a desk that cannot read its detections."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr(history, "find", broken)
    client = Client(raise_request_exception=False, headers={"X-Request-ID": NUMBER})
    client.force_login(alice)
    return client


def test_a_page_shows_the_number_of_the_request(browser):
    response = browser.get("/history")
    assert response.status_code == 500
    assert f'<code dir="ltr">{NUMBER}</code>' in response.content.decode()
    assert response["X-Request-ID"] == NUMBER


def test_a_program_gets_a_problem(browser):
    response = browser.get("/api/v1/detections")
    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"], body["request_id"]) == (500, "internal_error", NUMBER)
    assert body["title"] == "Internal Server Error"


@pytest.mark.parametrize("path", ["/history", "/api/v1/detections"])
def test_nobody_is_shown_the_exception(browser, path):
    answer = browser.get(path).content.decode()
    assert "secret words" not in answer
    assert "RuntimeError" not in answer


@pytest.mark.parametrize("path", ["/history", "/api/v1/detections"])
def test_the_log_keeps_the_traceback(browser, path, caplog):
    with caplog.at_level(logging.ERROR, "django.request"):
        browser.get(path)
    (record,) = caplog.records
    assert "secret words" in caplog.text
    assert record.exc_info is not None


@pytest.fixture
def away(browser: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The same at a desk whose database has gone."""

    def gone(*_: object, **__: object) -> None:
        raise OperationalError("secret words")

    monkeypatch.setattr(history, "find", gone)
    return browser


@pytest.mark.parametrize("path", ["/history", "/api/v1/detections"])
def test_a_database_that_is_away_is_no_defect_of_the_request(away, path):
    response = away.get(path)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "secret words" not in response.content.decode()


def test_a_program_may_ask_an_absent_database_again(away):
    assert away.get("/api/v1/detections").json()["code"] == "database_away"


def test_the_page_speaks_the_readers_language(browser):
    answer = browser.get("/history", headers={"Accept-Language": "ar"}).content.decode()
    assert 'lang="ar" dir="rtl"' in answer
    assert NUMBER in answer
