"""The shape of an error for programs: RFC 9457, with a stable code and the request's id."""

from http.client import responses
from typing import Any

from deepfake_site.middleware import request_id_var

MEDIA_TYPE = "application/problem+json"
TITLES = responses | {460: "Checksum Mismatch"}  # of the tus protocol


def problem_body(status: int, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id_var.get(),
    }
