"""Rows and files that tests start from, without the path that makes them in earnest."""

import functools
import hashlib
import io
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from accounts.audit_key import KEY_FILE
from accounts.models import User
from client import report_file
from detection import storage
from detection.models import (
    Decision,
    Detection,
    Image,
    ModelVersion,
    Report,
    ReviewItem,
    Submission,
)
from detection.reports.keys import signing_key
from detection.services.submission import submit_image
from detection.uploads import StoredUpload
from tests import images

WORKER = "test-host:1:1"
Answer = TypeVar("Answer")


@functools.cache
def _photograph() -> bytes:
    return images.jpeg_bytes()


def stored_upload(data: bytes | None = None, name: str = "photo.jpg") -> StoredUpload:
    """An upload as the handler leaves it: on disk in `incoming/`, hashed and counted."""
    content = _photograph() if data is None else data
    path = storage.incoming_dir() / uuid.uuid4().hex
    path.write_bytes(content)
    upload = StoredUpload(path.open("rb+"), path, name, None)
    upload.size, upload.sha256 = len(content), hashlib.sha256(content).hexdigest()
    return upload


def submitted(by: User, data: bytes | None = None, **options: Any) -> Submission:
    """One accepted request, through the service."""
    name = options.pop("name", "photo.jpg")
    options.setdefault("via", Submission.Via.PAGE)
    with stored_upload(data, name) as upload:
        return submit_image(by=by, upload=upload, **options)


def image_row(owner: User, **fields: Any) -> Image:
    """An image that exists in the database only."""
    defaults = {
        "sha256": hashlib.sha256(uuid.uuid4().bytes).hexdigest(),
        "size_bytes": 1000,
        "format": "JPEG",
        "media_type": "image/jpeg",
        "width": 320,
        "height": 240,
    }
    return Image.objects.create(owner=owner, **(defaults | fields))


def detection_row(owner: User, version: ModelVersion, **fields: Any) -> Detection:
    """A queued detection, unless the fields say otherwise, of a new image without a file."""
    image = fields.pop("image", None) or image_row(owner)
    return Detection.objects.create(image=image, model_version=version, **fields)


def running_row(owner: User, version: ModelVersion, **fields: Any) -> Detection:
    """A detection in the hands of a worker, on its first attempt."""
    row = detection_row(owner, version, **fields)
    claim = Detection.objects.claim(row.pk, worker=WORKER)
    assert claim is not None
    return claim


def done_row(owner: User, version: ModelVersion, **fields: Any) -> Detection:
    """A detection that has its verdict."""
    defaults = {
        "status": Detection.Status.DONE,
        "verdict": Detection.Verdict.LIKELY_AUTHENTIC,
        "probability": 0.1,
        "completed_at": timezone.now(),
        "attempt": 1,
    }
    return detection_row(owner, version, **(defaults | fields))


def review_row(
    detection: Detection, *, outcome: str = "authentic", by: User | None = None, **fields: Any
) -> ReviewItem:
    """A review that was closed with an outcome, and the decision that closed it, if by somebody."""
    reason = fields.pop("reason", "maker_confirmed")
    defaults = {"status": "closed", "closed_at": timezone.now(), "reasons": ["disputed"]}
    item = ReviewItem.objects.create(detection=detection, outcome=outcome, **defaults | fields)
    if by is not None:
        Decision.objects.create(item=item, by=by, outcome=outcome, reason=reason)
    return item


def report_row(detection: Detection, by: User, **fields: Any) -> Report:
    """A signed report with its files, of which only the JSON says anything."""
    key, key_row = signing_key()
    report = Report(detection=detection, by=by, key=key_row, language="en", **fields)
    about = {
        "desk": settings.UNMASK_ORIGIN,
        "detection": str(detection.pk),
        "image_sha256": detection.image.sha256,
        "issued_at": report.created_at.isoformat(),
        "report": str(report.pk),
    }
    text = {"language": "en", "sections": [], "title": "Report on an image", "tone": "authentic"}
    pictures = [{"caption": "The picture", "name": "preview", "sha256": "0" * 64}]
    body = {"format": report_file.FORMAT, "pictures": pictures, "text": text}
    files = {
        ".json": report_file.sealed_json(body, about, key),
        ".pdf": report_file.sealed_pdf(b"%PDF-1.4 unmask-report\n%%EOF\n", about, key),
        "-preview.jpg": _photograph(),
    }
    storage.keep_report(detection.image_id, report.pk, files)
    report.json_sha256 = hashlib.sha256(files[".json"]).hexdigest()
    report.pdf_sha256 = hashlib.sha256(files[".pdf"]).hexdigest()
    report.save(force_insert=True)
    return report


def files_below(folder: str) -> list[Path]:
    """Files in one folder of the data folder, such as `incoming`; not the audit trail's key."""
    paths = (settings.DATA_DIR / folder).rglob("*")
    return sorted(path for path in paths if path.is_file() and path.name != KEY_FILE)


def multipart(parts: list[tuple[str, str | None, bytes]]) -> tuple[bytes, str]:
    """A form's body and its content type, from (field, file name or None, content).

    The test client's own encoder cleans file names, which hostile clients do not.
    """
    boundary = "a-boundary-of-tests"
    body = io.BytesIO()
    for field, file_name, content in parts:
        file = "" if file_name is None else f'; filename="{file_name}"'
        body.write(f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"{file}'.encode())
        body.write(b"\r\n\r\n" + content + b"\r\n")
    body.write(f"--{boundary}--\r\n".encode())
    return body.getvalue(), f"multipart/form-data; boundary={boundary}"


def in_parallel(action: Callable[[], Answer], *, times: int) -> list[Answer]:
    """What so many threads get that do the same at once, each on a connection of its own."""

    def once() -> Answer:
        try:
            return action()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        futures = [pool.submit(once) for _ in range(times)]
        return [future.result(timeout=60) for future in futures]


def queries_of_a_limit() -> int:
    """How many statements set and lift the limit on a search's time: savepoint, two, release."""
    return 4 if connection.vendor == "postgresql" else 0
