"""Labelled data for machines: administrators' keys alone, and each scope for what it says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from detection.api.openapi import document
from detection.models import Dataset, DatasetImport
from detection.services import dataset_imports, datasets
from tests import archives
from tests.labelled import imported

pytestmark = pytest.mark.django_db
JSON = "application/json"
API = "/api/v1"


@pytest.fixture
def dataset(dora: User) -> Dataset:
    return datasets.create(by=dora, name="Portraits", licence="CC BY 4.0")


@pytest.fixture
def program(dora: User, key_of: Callable[..., str]) -> Client:
    key = key_of(dora, "models:read", "models:write")
    return Client(headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def is_documented() -> Callable[[Any, str], None]:
    """Holds an answer against the shape that the OpenAPI document names."""
    root = json.loads(document("application/vnd.oai.openapi+json"))

    def check(answer: Any, shape: str) -> None:
        wanted = {"$ref": f"#/components/schemas/{shape}", "components": root["components"]}
        jsonschema.validate(answer.json(), wanted, jsonschema.Draft202012Validator)

    return check


def _archive(files: dict[str, bytes]) -> SimpleUploadedFile:
    return SimpleUploadedFile("set.zip", archives.zip_bytes(files), "application/zip")


def test_from_nothing_to_a_snapshot(program: Client, is_documented: Callable[[Any, str], None]):
    made = program.post(f"{API}/datasets", {"name": "Street", "licence": "CC0"}, JSON)
    assert made.status_code == 201
    assert made.json()["images"] == {"real": 0, "fake": 0}
    address = made.headers["Location"]
    files = {**archives.labelled(10), "Real/broken.jpg": b"x"}
    ordered = program.post(f"{address}/imports", {"archive": _archive(files)})
    assert ordered.status_code == 202
    assert ordered.headers["Retry-After"]
    body = ordered.json()
    assert (body["status"], body["failure"], body["name"]) == ("queued", None, "set.zip")
    while dataset_imports.work(body["id"], worker="test:1:1"):
        pass
    ended = program.get(body["links"]["self"])
    assert "Retry-After" not in ended.headers
    assert ended.json()["outcome"] == {"added": 10, "unreadable": 1}
    refused = program.get(body["links"]["files"], {"outcome": "unreadable"}).json()
    assert [one["name"] for one in refused["results"]] == ["Real/broken.jpg"]
    detail = program.get(address).json()
    assert detail["images"] == {"real": 5, "fake": 5}
    assert sum(one["real"] + one["fake"] for one in detail["counts"]) == 10
    wanted = {"name": "first", "datasets": [made.json()["id"]]}
    frozen = program.post(f"{API}/snapshots", wanted, JSON)
    assert frozen.status_code == 201
    again = program.post(f"{API}/snapshots", wanted, JSON)
    assert again.json() == frozen.json() == program.get(frozen.headers["Location"]).json()
    assert frozen.json()["is_whole"]
    listed = program.get(f"{API}/snapshots")
    assert listed.json() == {"results": [frozen.json()], "next": None}
    is_documented(made, "Dataset")
    is_documented(program.get(f"{API}/datasets"), "DatasetPage")
    is_documented(program.get(address), "DatasetDetail")
    is_documented(ordered, "DatasetImport")
    is_documented(program.get(f"{address}/imports"), "DatasetImportPage")
    is_documented(program.get(body["links"]["files"]), "ImportedFilePage")
    is_documented(frozen, "Snapshot")
    is_documented(listed, "SnapshotPage")


def test_lists_come_in_pages(program: Client, dataset: Dataset, monkeypatch: Any):
    monkeypatch.setattr("detection.api.datasets.FILES_A_PAGE", 3)
    row = imported(dataset, archives.labelled(7))
    found, cursor = [], ""
    while cursor is not None:
        answer = program.get(f"{API}/imports/{row.pk}/files", {"cursor": cursor}).json()
        found += [one["name"] for one in answer["results"]]
        cursor = answer["next"]
    assert found == sorted(archives.labelled(7))
    listed = program.get(f"{API}/datasets/{dataset.pk}/imports").json()
    assert [one["id"] for one in listed["results"]] == [str(row.pk)]
    assert program.get(f"{API}/datasets").json()["results"][0]["images"] == {"real": 3, "fake": 4}


@pytest.mark.parametrize("params", [{"cursor": "-1"}, {"cursor": "x"}, {"outcome": "none"}])
def test_a_page_that_cannot_be_is_malformed(
    params: dict[str, str], program: Client, dataset: Dataset
):
    row = DatasetImport.objects.create(dataset=dataset, path="/x")
    assert program.get(f"{API}/imports/{row.pk}/files", params).status_code == 400


def test_a_folder_of_the_server_is_imported_where_the_desk_says_so(
    program: Client, dataset: Dataset, settings: Any, tmp_path: Path
):
    address = f"{API}/datasets/{dataset.pk}/imports"
    assert program.post(address, {"path": "set"}, JSON).json()["code"] == "import_folder_off"
    settings.IMPORT_DIR = tmp_path
    archives.written(tmp_path / "set", archives.labelled(2))
    assert program.post(address, {"path": "set"}, JSON).status_code == 202
    answer = program.post(address, {"path": "../etc"}, JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "import_path_outside")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"name": "x"}, 400),
        ({"name": "x", "licence": "y", "by": 1}, 400),
        ({"name": 5, "licence": "y"}, 400),
        ({"name": "x" * 81, "licence": "y"}, 400),
        ({"name": "Portraits", "licence": "y"}, 409),
    ],
)
def test_a_dataset_that_cannot_be_is_refused(
    body: dict[str, Any], status: int, program: Client, dataset: Dataset
):
    assert program.post(f"{API}/datasets", body, JSON).status_code == status


def test_hostile_archives_and_strays_are_refused(program: Client, dataset: Dataset):
    address = f"{API}/datasets/{dataset.pk}/imports"
    file = SimpleUploadedFile("set.zip", archives.with_link(), "application/zip")
    answer = program.post(address, {"archive": file})
    assert (answer.status_code, answer.json()["code"]) == (422, "archive_hostile")
    for fields in ({}, {"file": _archive({})}, {"archive": _archive({"Real/a": b"x"}), "by": "x"}):
        assert program.post(address, fields).status_code == 400
    assert not DatasetImport.objects.exists()


def test_an_unknown_dataset_is_frozen_by_nobody(program: Client, dataset: Dataset):
    imported(dataset, archives.labelled(2))
    wanted = {"name": "x", "datasets": [str(dataset.pk), "00000000-0000-4000-8000-000000000001"]}
    assert program.post(f"{API}/snapshots", wanted, JSON).status_code == 404
    assert program.post(f"{API}/snapshots", {**wanted, "datasets": []}, JSON).status_code == 400


def test_each_scope_is_for_what_it_says(dora: User, key_of: Callable[..., str], dataset: Dataset):
    body = {"name": "Street", "licence": "CC0"}
    for scope, reads, writes in (("models:read", 200, 403), ("models:write", 403, 201)):
        client = Client(headers={"Authorization": f"Bearer {key_of(dora, scope)}"})
        assert client.get(f"{API}/datasets").status_code == reads
        assert client.post(f"{API}/datasets", body, JSON).status_code == writes


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_to_everybody_else_there_is_nothing(
    who: str, request: Any, key_of: Callable[..., str], dataset: Dataset
):
    key = key_of(request.getfixturevalue(who))
    client = Client(headers={"Authorization": f"Bearer {key}"})
    for path in ("datasets", f"datasets/{dataset.pk}", "snapshots"):
        assert client.get(f"{API}/{path}").status_code == 404
    assert client.post(f"{API}/datasets", {"name": "x", "licence": "y"}, JSON).status_code == 404
