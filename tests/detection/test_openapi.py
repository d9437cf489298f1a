"""How the API is described: a document anybody may ask for, so at little cost; the errors."""

import pytest
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from rest_framework.exceptions import APIException

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
    "on_hold",
    "no_tag",
    "too_many_tags",
    "not_yours",
    "filter_without_name",
    "filter_name_taken",
    "filter_too_long",
    "too_many_filters",
    "confidential_report",
    "person_unknown",
    "too_many_guesses",
    "person_not_in_case",
}


def test_every_code_is_in_the_table_of_errors():
    text = (settings.BASE_DIR / "docs/api.md").read_text()
    table = text.partition("## Errors")[2].partition("## Client")[0]
    refused = {
        error.default_code
        for error in APIException.__subclasses__()
        if error.__module__ == "rest_framework.exceptions"
    }
    codes = {*REFUSALS, *refused} - {"error"} - ONLY_ON_PAGES
    assert [code for code in sorted(codes) if f"`{code}`" not in table] == []
