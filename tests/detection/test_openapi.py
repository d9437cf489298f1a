"""How the API is described: a document anybody may ask for, so at little cost; the errors."""

import re

import pytest
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from rest_framework.exceptions import APIException

from accounts.models import ApiKey
from detection.api.detections import FILTERS
from detection.api.openapi import document
from detection.words import REFUSALS

JSON = "application/vnd.oai.openapi+json"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """How often a document was built, from none on."""
    document.cache_clear()
    times: list[bool] = []
    real = SchemaGenerator.get_schema

    def get_schema(*arguments: object, **options: object) -> object:
        times.append(True)
        return real(*arguments, **options)

    monkeypatch.setattr(SchemaGenerator, "get_schema", get_schema)
    return times


def test_only_the_first_who_asks_has_it_built(db, client, built):
    first = client.get("/api/schema/", headers={"Accept": JSON})
    assert first.json()["openapi"] == "3.1.0"
    assert "/api/v1/detections" in first.json()["paths"]
    assert "/api/schema/" not in first.json()["paths"]
    for query in ("", "?lang=de", "?version=2"):
        again = client.get(f"/api/schema/{query}", headers={"Accept": JSON})
        assert again.content == first.content
    assert len(built) == 1


def test_each_asks_for_the_form_they_can_read(db, client, built):
    plain = client.get("/api/schema/")
    assert plain.headers["Content-Type"].startswith("application/vnd.oai.openapi")
    assert plain.content.startswith(b"openapi: 3.1.0")
    assert client.get("/api/schema/?format=json").json()["info"]["title"] == "Unmask"
    assert client.get("/api/schema/", headers={"Accept": "image/png"}).status_code == 406


ONLY_ON_PAGES = {
    "one_file_only",
    "on_hold",
    "no_tag",
    "too_many_tags",
    "not_yours",
    "filter_without_name",
    "filter_name_taken",
    "filter_too_long",
    "too_many_filters",
    "confidential_report",
    "report_revoked",
    "person_unknown",
    "too_many_guesses",
    "person_not_in_case",
    "review_wants_a_look",
    "golden_unfit",
    "golden_already",
    "no_archive",
}


def _guide() -> str:
    return (settings.BASE_DIR / "docs/api.md").read_text()


def test_the_guide_has_one_row_for_each_scope():
    table = _guide().partition("| scope | |")[2].partition("\n\n")[0]
    scopes = re.findall(r"^\| `([a-z]+:[a-z]+)` \|", table, re.MULTILINE)
    assert sorted(scopes) == sorted(ApiKey.Scope.values)


def test_the_guide_describes_the_listing_once_with_every_filter():
    text = _guide()
    assert len(re.findall(r"^`GET /api/v1/detections(\?[^`]*)?`: ", text, re.MULTILINE)) == 1
    listing = text.partition("### Listing and filters")[2].partition("\n## ")[0]
    missing = [one.name for one in FILTERS if not re.search(rf"`{one.name}\b", listing)]
    assert missing == []


def test_every_heading_of_the_guide_stands_after_an_empty_line():
    prose = re.sub(r"(?ms)^```.*?^```$", "```", _guide())
    assert re.findall(r"[^\n]\n(##+ .*)", prose) == []


def test_every_code_is_in_the_table_of_errors():
    table = _guide().partition("## Errors")[2].partition("## Client")[0]
    refused = {
        error.default_code
        for error in APIException.__subclasses__()
        if error.__module__ == "rest_framework.exceptions"
    }
    codes = {*REFUSALS, *refused} - {"error"} - ONLY_ON_PAGES
    assert [code for code in sorted(codes) if f"`{code}`" not in table] == []
