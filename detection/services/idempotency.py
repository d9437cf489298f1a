"""One answer for one key, however often the request comes.

The key's row is the first one that a request's transaction writes and is committed with the work,
so a crash leaves both or neither. Of two requests that come at once the second waits at that row
for the first one's end, and is then given its answer.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from detection.errors import NothingKept, Refused
from detection.models import Batch, Detection, IdempotencyKey
from detection.uploads import StoredUpload

KEPT_FOR = timedelta(hours=48)
MAX_KEY_LENGTH = 255


@dataclass(frozen=True)
class Promise:
    """Who says that two requests are one, and what of the body must then be the same.

    Attributes:
        endpoint: what the key counts for, such as `detections`.
        body_sha256: see `fingerprint`.
    """

    owner: User
    endpoint: str
    key: str
    body_sha256: str


class AlreadyAnswered(NothingKept):
    """The request came before; `row` holds its answer."""

    def __init__(self, row: IdempotencyKey) -> None:
        super().__init__(f"{row.endpoint} was answered before")
        self.row = row


def fingerprint(fields: Mapping[str, Any], uploads: Iterable[StoredUpload] = ()) -> str:
    """SHA-256 over a request's fields and the names and contents of its files, in hex."""
    files = [[upload.name or "", upload.sha256] for upload in uploads]
    said = json.dumps([fields, files], sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()


def check(promise: Promise) -> None:
    """Refuse, or answer, what is known already before anything is done for it.

    Raises:
        AlreadyAnswered: the same request came before.
        Refused: the key was used for another one.
    """
    row = _rows(promise).filter(created_at__gt=timezone.now() - KEPT_FOR).first()
    if row is None:
        return
    if row.body_sha256 != promise.body_sha256:
        raise Refused("key_reused")
    raise AlreadyAnswered(row)


def claim(promise: Promise) -> IdempotencyKey:
    """The key's row, with no answer yet: call it first in the transaction, then `keep`.

    Raises:
        AlreadyAnswered, Refused: as `check`, where another request was quicker.
    """
    _rows(promise).filter(created_at__lt=timezone.now() - KEPT_FOR).delete()
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(
                owner=promise.owner,
                endpoint=promise.endpoint,
                key=promise.key,
                body_sha256=promise.body_sha256,
                status_code=0,
                response={},
            )
    except IntegrityError:
        check(promise)
        raise


def keep(
    row: IdempotencyKey,
    *,
    status_code: int,
    response: Any,
    headers: Mapping[str, str] | None = None,
    detection: Detection | None = None,
    batch: Batch | None = None,
) -> None:
    """Write the answer that every repetition of the request is to get.

    A row that is gone stays so: what it told of was erased.
    """
    IdempotencyKey.objects.filter(pk=row.pk).update(
        status_code=status_code,
        response=response,
        headers=dict(headers or {}),
        detection=detection,
        batch=batch,
    )


def forget_old() -> int:
    """Drop the keys that have been kept for long enough."""
    old = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT_FOR)
    return old.delete()[0]


def forget_person(person: User) -> None:
    """Drop the answers that an erased person was given: they repeat what was said in requests."""
    IdempotencyKey.objects.filter(owner=person).delete()


def _rows(promise: Promise) -> Any:
    return IdempotencyKey.objects.filter(
        owner=promise.owner, endpoint=promise.endpoint, key=promise.key
    )
