"""The figures for Prometheus: who reads them, what they say of requests, what they never say."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from deepfake_site import gunicorn_conf, paths, request_metrics
from tests import images
from tests.factories import done_row, submitted

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-of-tests-" * 3
LABELS = {
    *("view", "method", "status", "le", "version", "queue", "verdict", "model"),
    *("code", "stage", "rule"),
}

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples_of(text: str) -> Samples:
    """Every sample of an exposition, by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def scrape(settings: Any) -> Callable[[], Samples]:
    """What the endpoint says now."""
    settings.METRICS_TOKEN = TOKEN

    def ask() -> Samples:
        answer = Client(headers={"Authorization": f"Bearer {TOKEN}"}).get("/metrics")
        assert answer.status_code == 200
        return samples_of(answer.content.decode())

    return ask


# --- who reads them


@pytest.mark.parametrize("header", ["", f"Bearer {TOKEN}"])
def test_without_a_token_in_the_settings_there_is_no_such_page(client, db, header):
    headers = {"Authorization": header} if header else {}
    assert client.get("/metrics", headers=headers).status_code == 404
    assert client.post("/metrics", headers=headers).status_code == 404


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}"],
)
def test_nobody_reads_them_without_the_token(settings, dora, client_of, key_of, header):
    settings.METRICS_TOKEN = TOKEN
    answer = client_of(dora).get("/metrics", headers={"Authorization": header})
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer["WWW-Authenticate"] == "Bearer"
    key = f"Bearer {key_of(dora)}"
    assert Client().get("/metrics", headers={"Authorization": key}).status_code == 401


def test_whoever_has_the_token_reads_text_that_nobody_keeps(settings, db, client):
    settings.METRICS_TOKEN = TOKEN
    answer = client.get("/metrics", headers={"Authorization": f"bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies
    assert "RateLimit" not in answer
    assert answer.content.startswith(b"# HELP unmask_")


def test_it_changes_nothing(settings, client):
    settings.METRICS_TOKEN = TOKEN
    answer = client.post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 405


def test_tokens_are_compared_in_constant_time(settings, client, db, monkeypatch):
    compared = []
    monkeypatch.setattr(
        "deepfake_site.metrics.constant_time_compare",
        lambda *both: compared.append(both) or False,
    )
    settings.METRICS_TOKEN = TOKEN
    client.get("/metrics", headers={"Authorization": "Bearer other"})
    assert compared == [("other", TOKEN)]


# --- requests


def test_requests_are_counted_by_view_method_and_class_of_status(scrape, db):
    before = scrape()
    asked = Client(raise_request_exception=False)
    asked.get("/healthz")
    asked.get("/healthz")
    asked.post("/healthz")
    asked.get("/detections/0b0a5c9c-4d3f-4c6a-8a5e-0d5f4c7d0001")
    asked.get("/nowhere/alice@example.org")
    after = scrape()
    added = {
        tuple(dict(labels)[name] for name in ("view", "method", "status")): n - before.get(key, 0)
        for key, n in after.items()
        for name, labels in [key]
        if name == "unmask_http_requests_total"
    }
    assert added["healthz", "GET", "2xx"] == 2
    assert added["healthz", "POST", "4xx"] == 1
    assert added["detection", "GET", "3xx"] == 1
    assert added["none", "GET", "4xx"] == 1


def test_times_are_kept_in_a_histogram(scrape, db):
    key = ("unmask_http_request_duration_seconds_{}", (("method", "GET"), ("view", "healthz")))
    count, total = (key[0].format("count"), key[1]), (key[0].format("sum"), key[1])
    before = scrape()
    Client().get("/healthz")
    after = scrape()
    assert after[count] == before.get(count, 0) + 1
    assert 0 < after[total] - before.get(total, 0) < 5


def test_a_method_that_nobody_knows_makes_no_label_of_its_own(scrape, db):
    Client().generic("ALICE", "/healthz")
    methods = {dict(labels).get("method") for _name, labels in scrape()}
    assert "other" in methods
    assert "ALICE" not in methods


def test_nothing_is_counted_where_nobody_may_ask(client, db):
    before = request_metrics.REQUESTS.labels("healthz", "GET", "2xx")._value.get()
    client.get("/healthz")
    assert request_metrics.REQUESTS.labels("healthz", "GET", "2xx")._value.get() == before


# --- what they never say


def test_no_label_holds_a_person_an_address_or_an_id(scrape, alice, client_of, model_version):
    submission = submitted(alice, images.jpeg_bytes())
    done_row(alice, model_version)
    browser = client_of(alice)
    browser.get(f"/detections/{submission.detection_id}")
    browser.get(f"/history?q={alice.email}")
    browser.get(f"/accounts/password/reset/key/{alice.pk}-planted/")
    found = scrape()
    labels = [pair for _name, pairs in found for pair in pairs]
    assert {name for name, _value in labels} <= LABELS
    values = {value for name, value in labels if name != "le"}
    secret = re.compile(r"[@/]|planted|[0-9a-f]{8}-|[0-9a-f]{32}")
    assert [value for value in values if secret.search(value)] == []


# --- readiness, disk, and a database that is away


def test_it_says_whether_the_desk_is_ready(scrape, model_version):
    found = scrape()
    assert found["unmask_ready", ()] == found["unmask_database_up", ()] == 1
    type(model_version).objects.update(state="retired")
    assert scrape()["unmask_ready", ()] == 0


def test_it_says_how_much_of_the_disk_is_free(scrape, db):
    found = scrape()
    assert 0 < found["unmask_data_disk_free_bytes", ()] <= found["unmask_data_disk_size_bytes", ()]


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_without_a_database_it_still_says_what_the_web_process_knows(
    scrape, db, monkeypatch, error
):
    def away() -> float:
        raise error("gone")

    Client().get("/healthz")
    monkeypatch.setattr("detection.services.readiness.stalled_s", away)
    found = scrape()
    assert found["unmask_database_up", ()] == 0
    assert ("unmask_ready", ()) not in found
    assert ("unmask_data_disk_free_bytes", ()) in found
    assert any(name == "unmask_http_requests_total" for name, _labels in found)


# --- several web processes

FORKED = """
import os, sys
from types import SimpleNamespace
import django
from django.conf import settings

settings.METRICS_TOKEN = sys.argv[1]
from pathlib import Path
settings.RUNTIME_DIR = Path(sys.argv[2])
django.setup()
from django.test import Client
from deepfake_site import gunicorn_conf

server = SimpleNamespace(WORKERS={})
gunicorn_conf.on_starting(server)

def serve(requests):
    worker = SimpleNamespace()
    gunicorn_conf.pre_fork(server, worker)
    if pid := os.fork():
        server.WORKERS[pid] = worker
        return pid
    gunicorn_conf.post_fork(server, worker)
    for _ in range(requests):
        assert Client(headers={"Host": "localhost"}).get("/healthz").status_code == 200
    os._exit(0)

first, second = serve(3), serve(4)
assert os.waitpid(first, 0)[1] == os.waitpid(second, 0)[1] == 0
del server.WORKERS[first]
assert os.waitpid(serve(5), 0)[1] == 0
headers = {"Authorization": f"Bearer {settings.METRICS_TOKEN}", "Host": "localhost"}
answer = Client(headers=headers).get("/metrics")
sys.stdout.write(answer.content.decode())
"""


def test_processes_are_added_up_and_one_that_is_replaced_loses_nothing(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", FORKED, TOKEN, str(tmp_path / "runtime")],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    labels = (("method", "GET"), ("status", "2xx"), ("view", "healthz"))
    assert samples_of(run.stdout)["unmask_http_requests_total", labels] == 3 + 4 + 5
    files = sorted(path.name for path in (tmp_path / "runtime").glob("metrics-*/*"))
    assert files == ["counter_0.db", "counter_1.db", "histogram_0.db", "histogram_1.db"]


def test_a_web_process_has_the_lowest_number_that_no_living_one_has():
    server = SimpleNamespace(WORKERS={7: SimpleNamespace(number=0), 9: SimpleNamespace(number=2)})
    worker = SimpleNamespace()
    gunicorn_conf.pre_fork(server, worker)
    assert worker.number == 1


def test_a_folder_that_somebody_else_made_is_not_used(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").symlink_to(tmp_path / "theirs")
    with pytest.raises(PermissionError, match="ours"):
        paths.make_private(tmp_path / "ours")
