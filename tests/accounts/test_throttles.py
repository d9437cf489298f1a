"""So many requests a minute for each owner, said on every answer, held for parallel clients."""

from collections import Counter

import pytest
from django.test import Client

from tests.factories import in_parallel

pytestmark = pytest.mark.django_db
URL = "/api/v1/detections"


@pytest.fixture(autouse=True)
def _four_a_minute(settings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 4


def _client(key: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {key}"})


def test_every_answer_says_what_is_left(alice, key_of):
    answer = _client(key_of(alice)).get(URL)
    assert answer["RateLimit-Policy"] == '"default";q=4;w=60'
    assert answer["RateLimit"].startswith('"default";r=3;t=')
    assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("4", "3")
    assert 0 < int(answer["RateLimit-Reset"]) <= 60


def test_too_many_are_a_problem_with_the_time_to_wait(alice, key_of):
    client = _client(key_of(alice))
    answers = [client.get(URL) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [429] * 2
    refused = answers[-1]
    assert refused["Content-Type"] == "application/problem+json"
    assert (refused.json()["status"], refused.json()["code"]) == (429, "throttled")
    assert 0 < int(refused["Retry-After"]) <= 60
    assert refused["RateLimit-Remaining"] == "0"


def test_an_answer_that_is_an_error_says_it_too(alice, key_of):
    answer = _client(key_of(alice)).post(URL, {})
    assert answer.status_code == 400
    assert answer["RateLimit-Remaining"] == "3"


def test_all_keys_and_sessions_of_a_person_share_one_limit(alice, bob, key_of, client_of):
    clients = [_client(key_of(alice)), _client(key_of(alice)), client_of(alice)]
    codes = Counter(client.get(URL).status_code for client in clients for _ in range(2))
    assert codes == {200: 4, 429: 2}
    assert _client(key_of(bob)).get(URL).status_code == 200


def test_pages_are_not_counted(alice, client_of):
    browser = client_of(alice)
    answers = [browser.get("/history") for _ in range(6)]
    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0]


@pytest.mark.django_db(transaction=True)
def test_twenty_clients_at_five_times_the_limit_get_what_the_limit_says(alice, key_of, settings):
    settings.API_REQUESTS_PER_MINUTE = 60
    client_key = key_of(alice)

    def fifteen() -> list[int]:
        client = _client(client_key)
        return [client.get(URL).status_code for _ in range(15)]

    codes = Counter(code for one in in_parallel(fifteen, times=20) for code in one)
    assert codes == {200: 60, 429: 240}
