"""One place where the API's errors get their shape: RFC 9457 problem+json with stable codes."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from deepfake_site.problems import MEDIA_TYPE, problem_body
from detection.api.idempotency import replayed
from detection.errors import Refused
from detection.services.idempotency import AlreadyAnswered

RETRY_AFTER_S = {423: 1, 429: 60, 503: 5, 507: 60}


def problem(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer a known error with `type, title, status, detail, code, request_id, errors`.

    A request that was answered before ends here too, with the answer it was given then.
    """
    if isinstance(error, AlreadyAnswered):
        return replayed(error)
    if isinstance(error, Refused):
        set_rollback()
        return _response(error.status, error.code, error.detail)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, RequestDataTooBig):
        set_rollback()
        return _response(413, "too_large", "The body is larger than this resource takes.")
    if isinstance(error, TooManyFilesSent | TooManyFieldsSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FILES, settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        error = exceptions.ParseError("A form has at most {} files and {} fields.".format(*most))
    if isinstance(error, SuspiciousOperation):
        error = exceptions.ParseError()
    response = exception_handler(error, context)
    if response is None or not isinstance(error, exceptions.APIException):
        return response
    fields = _fields(error)
    detail = "Some fields are not valid." if fields else str(error.detail)
    code = "invalid" if fields else str(error.default_code)
    answer = _response(response.status_code, code, detail, fields)
    for name in ("WWW-Authenticate", "Retry-After"):
        if name in response:
            answer[name] = response[name]
    return answer


def _fields(error: exceptions.APIException) -> list[dict[str, str]]:
    if not isinstance(error, exceptions.ValidationError):
        return []
    named = error.detail if isinstance(error.detail, dict) else {"": error.detail}
    return [
        {"field": _sayable(field), "code": getattr(one, "code", "invalid"), "detail": _sayable(one)}
        for name, items in named.items()
        for field, one in _said_of(str(name), items)
    ]


def _said_of(field: str, said: Any) -> Iterator[tuple[str, Any]]:
    """What is said of a field, and of the entries of a list in it: `events.0`."""
    if isinstance(said, dict):
        for name, more in said.items():
            yield from _said_of(f"{field}.{name}", more)
    elif isinstance(said, list):
        for one in said:
            yield from _said_of(field, one)
    else:
        yield field, said


def _sayable(said: object) -> str:
    """What a caller sent may come back in the answer; half a character has no place in UTF-8."""
    return str(said).encode("utf-8", "backslashreplace").decode()


def _response(
    status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> Response:
    body = problem_body(status, code, detail)
    if errors:
        body["errors"] = errors
    headers = {"Retry-After": str(RETRY_AFTER_S[status])} if status in RETRY_AFTER_S else None
    return Response(body, status=status, content_type=MEDIA_TYPE, headers=headers)
