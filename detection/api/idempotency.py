"""The `Idempotency-Key` header at the API's edge."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from detection.api.base import caller
from detection.errors import Refused
from detection.models import Batch, Detection, IdempotencyKey
from detection.services import idempotency
from detection.services.idempotency import AlreadyAnswered, Promise
from detection.uploads import StoredUpload

HEADER = "Idempotency-Key"
KEY = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
# Of an answer's headers, those that a repetition is given again.
KEPT_HEADERS = ("Location", "Retry-After")


def promise_of(
    request: Request,
    endpoint: str,
    fields: Mapping[str, Any],
    uploads: Iterable[StoredUpload] = (),
) -> Promise | None:
    """What the client promised with its key, checked against what is known; None without a key.

    Raises:
        AlreadyAnswered: the same request came before; see `replayed`.
        Refused: the key is malformed, or came with another request.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not KEY.fullmatch(key):
        raise Refused("bad_idempotency_key")
    fingerprint = idempotency.fingerprint(fields, uploads)
    promise = Promise(caller(request), endpoint, key, fingerprint)
    idempotency.check(promise)
    return promise


def keep(
    row: IdempotencyKey,
    response: Response,
    *,
    detection: Detection | None = None,
    batch: Batch | None = None,
) -> None:
    """Store an answer as it goes out."""
    idempotency.keep(
        row,
        status_code=response.status_code,
        response=json.loads(JSONRenderer().render(response.data)),
        headers={name: response[name] for name in KEPT_HEADERS if name in response},
        detection=detection,
        batch=batch,
    )


def replayed(error: AlreadyAnswered) -> Response:
    """The first answer once more."""
    row = error.row
    headers = {**row.headers, "Idempotency-Replayed": "true"}
    return Response(row.response, status=row.status_code, headers=headers)
