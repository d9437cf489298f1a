"""The files for Prometheus and Grafana: they parse, and ask for what the desk really says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings as current
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

DEPLOY = Path(current.BASE_DIR) / "deploy"
ALERTS = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())
SCRAPE = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
DASHBOARD = json.loads((DEPLOY / "grafana/unmask.json").read_text())
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
TOKEN = "a-token-of-tests-" * 3
# What a histogram's and a counter's samples are called.
ENDINGS = {
    "histogram": ("_bucket", "_sum", "_count"),
    "counter": ("_total",),
    "gauge": ("",),
}
WANTED = {
    *("UnmaskDown", "UnmaskDatabaseDown", "UnmaskNoModel", "UnmaskModelDamaged"),
    *("UnmaskQueueWaits", "UnmaskNoWorker", "UnmaskFailures", "UnmaskWebhooksLate"),
    *("UnmaskDiskFull", "UnmaskServerErrors"),
}


def panels() -> list[dict[str, Any]]:
    return DASHBOARD["panels"]


def asked() -> Iterator[tuple[str, str]]:
    """Every expression, with where it stands."""
    yield from ((rule["alert"], rule["expr"]) for rule in RULES)
    for panel in panels():
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])
    for variable in DASHBOARD["templating"]["list"]:
        yield variable["name"], variable["query"]


def names(expression: str) -> set[str]:
    """Metrics of ours in an expression; what stands in quotes is none."""
    return set(re.findall(r"\bunmask_\w+", re.sub(r'"[^"]*"', "", expression)))


@pytest.fixture
def given(settings: Any, model_version: Any) -> set[str]:
    """Names of all samples that the endpoint can give, those without a value now among them."""
    settings.METRICS_TOKEN = TOKEN
    answer = Client(headers={"Authorization": f"Bearer {TOKEN}"}).get("/metrics")
    families = text_string_to_metric_families(answer.content.decode())
    return {family.name + ending for family in families for ending in ENDINGS[family.type]}


def test_every_metric_asked_for_is_one_that_the_desk_gives(given):
    missing = {(where, name) for where, text in asked() for name in names(text) - given}
    assert missing == set()


def test_every_expression_asks_for_something():
    own = [(where, text) for where, text in asked() if where not in {"UnmaskDown", "source"}]
    assert len(own) > 30
    assert [where for where, text in own if not names(text)] == []


def test_a_name_that_is_wrong_would_be_noticed(given):
    assert names('rate(unmask_http_request_total{view="unmask_x"}[5m])') - given == {
        "unmask_http_request_total"
    }


def test_it_warns_of_what_operators_must_know():
    alerts = [rule["alert"] for rule in RULES]
    assert set(alerts) >= WANTED
    assert len(alerts) == len(set(alerts))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_urgent_it_is_and_what_it_means(rule):
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert all(rule["annotations"][part].strip() for part in ("summary", "description"))
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    assert rule["expr"].count("(") == rule["expr"].count(")")


def test_labels_asked_for_are_values_that_the_code_has(given):
    """Such as a queue that was renamed."""
    known = {
        "queue": {"detect", "bulk", "sweep"},
        "status": {"failed", "5xx"},
        "job": {"unmask"},
    }
    for where, text in asked():
        for label, value in re.findall(r'(\w+)="([^"]+)"', text):
            assert value in known[label], where


def test_the_example_asks_where_the_desk_answers_with_a_token_from_a_file():
    (job,) = SCRAPE["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert job["job_name"] == "unmask"
    assert set(job["authorization"]) == {"type", "credentials_file"}
    assert SCRAPE["rule_files"] == ["alerts.yml"]


def test_panels_have_ids_and_places_of_their_own():
    places = [tuple(panel["gridPos"][side] for side in "xy") for panel in panels()]
    assert len({panel["id"] for panel in panels()}) == len(set(places)) == len(panels())
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels())
