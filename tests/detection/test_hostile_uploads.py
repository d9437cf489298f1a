"""Hostile files through the API, the page and the task: an answer for each, and never a 500."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from detection.models import Detection, Image
from detection.tasks import run_detection
from detection.words import FAILURES
from tests.factories import files_below
from tests.hostile import FAMILIES, Builder
from tests.images import HOSTILE_NAMES

pytestmark = pytest.mark.usefixtures("model_version")
REFUSED = {400, 413, 415, 422}
LYING_TYPES = ("image/jpeg", "image/png", "text/html", "application/octet-stream", "")


def _files(family: str) -> list[tuple[str, SimpleUploadedFile]]:
    """Each under a name and a type that say nothing true."""
    return [
        (name, _upload(number, build))
        for number, (name, build) in enumerate(FAMILIES[family].items())
    ]


def _upload(number: int, build: Builder) -> SimpleUploadedFile:
    name = HOSTILE_NAMES[number % len(HOSTILE_NAMES)]
    return SimpleUploadedFile(name, build(), LYING_TYPES[number % len(LYING_TYPES)])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_api_answers_each(api: Client, family: str, fake_judgement: dict[str, Any]):
    for name, file in _files(family):
        answer = api.post("/api/v1/detections", {"image": file})
        if answer.status_code in REFUSED:
            body = answer.json()
            assert body["code"], name
            assert len(body["detail"]) > 10, name
        else:
            assert answer.status_code in {200, 202}, (name, answer.content)
    for row in Detection.objects.all():
        run_detection(str(row.pk))  # each judges what comes next
    for row in Detection.objects.all():
        assert row.is_finished, row.image
        assert row.failure_code in {"", *FAILURES}, row.image
        assert row.failure_code not in {"decoder_crashed", "decoder_timeout"}, row.image
    assert len(files_below("originals")) == Image.objects.count()
    assert files_below("incoming") == []


@pytest.mark.any_database  # the API stores the same files on each
@pytest.mark.parametrize("family", FAMILIES)
def test_the_page_answers_each(alice: Any, client_of: Any, family: str):
    browser = client_of(alice)
    for name, file in _files(family):
        answer = browser.post("/", {"image": file})
        assert answer.status_code in {200, 302, *REFUSED}, (name, answer.status_code)
        if answer.status_code != 302:
            assert b"error" in answer.content, name
    assert len(files_below("originals")) == Image.objects.count()
