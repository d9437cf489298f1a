"""Where detections are in the API, what is sent there, and what a refusal looks like."""

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse

from tests import images

URL = "/api/v1/detections"
NOBODYS = "ab000000-0000-4000-8000-000000000001"  # the same in every process that collects tests
NOWHERE = f"{URL}/{NOBODYS}"
# What text columns of PostgreSQL refuse: NUL, and bytes or halves that are no characters.
NO_TEXT = [b"\x00", b"a\x00b", b"\xff", b"\xed\xa0\x80"]


def a_photo(**options: Any) -> SimpleUploadedFile:
    return SimpleUploadedFile("photo.jpg", images.jpeg_bytes(**options), "image/jpeg")


def assert_problem(response: HttpResponse, status: int, code: str) -> dict[str, Any]:
    """RFC 9457, and our own fields."""
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["code"] == code
    assert {"type", "title", "detail", "request_id"} <= body.keys()
    assert body["request_id"] == response["X-Request-ID"]
    return body
