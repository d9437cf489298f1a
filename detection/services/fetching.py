"""Accepting an image by its address, which the desk fetches while the request waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

import httpx
from django.conf import settings

from accounts.models import User
from deepfake_site import outbound
from detection import validators
from detection.errors import Refused
from detection.models import Submission
from detection.services.submission import submit_image
from detection.uploads import StoredUpload, UploadWriter

DEADLINE_S = 10.0
MAX_REDIRECTS = 3
MOST_BYTES = 50 * 1024 * 1024  # even where larger files may be uploaded
# Of the threads of one web process, so that slow hosts leave most of them to everybody else.
AT_ONCE = 2

_slots = BoundedSemaphore(AT_ONCE)


@contextmanager
def fetched(url: str) -> Iterator[tuple[StoredUpload, str]]:
    """An image from elsewhere, gone afterwards if it was not kept, and the address to keep of it.

    That is the one asked for without its query, which may hold a token.

    Raises:
        Refused: `fetch_refused` for a forbidden, unreachable, slow or unfitting address alike, so
            that nobody learns from it what is around the desk; or what is said of an upload.
    """
    if not settings.FETCH_URLS:
        raise Refused("fetching_off")
    with _slot(), _refusals():
        asked = outbound.check_url(url)
        upload = _fetched(asked)
    with upload:
        yield upload, str(asked.copy_with(query=None))


def submit_url(*, by: User, url: str, **options: Any) -> Submission:
    """Fetch an image and submit it; `options` are those of `submit_image`.

    Raises:
        Refused: as `fetched`.
    """
    with fetched(url) as (upload, source_url):
        return submit_image(by=by, upload=upload, source_url=source_url, **options)


@contextmanager
def _slot() -> Iterator[None]:
    if not _slots.acquire(blocking=False):
        raise Refused("fetching_busy")
    try:
        yield
    finally:
        _slots.release()


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except outbound.BodyTooLarge:
        raise Refused("too_large", validators.at_most(_max_bytes())) from None
    except (httpx.TransportError, httpx.InvalidURL, ValueError):
        raise Refused("fetch_refused") from None  # without what would name the address in a log


def _fetched(asked: httpx.URL) -> StoredUpload:
    """Get a file, following a few redirects; each goes through the same checks as the first."""
    at = asked
    with outbound.client(deadline_s=DEADLINE_S, max_body_bytes=_max_bytes()) as client:
        for _hop in range(MAX_REDIRECTS + 1):
            with client.stream("GET", at) as answer:
                if not answer.has_redirect_location:
                    return _stored(answer, _file_name(asked))
                at = _next(at, answer.headers["Location"])
    raise Refused("fetch_refused")


def _next(at: httpx.URL, location: str) -> httpx.URL:
    further = outbound.check_url(str(at.join(location)))
    if at.scheme == "https" and further.scheme != "https":
        raise Refused("fetch_refused")
    return further


def _stored(answer: httpx.Response, name: str) -> StoredUpload:
    """Stream an answer's body to `incoming/`. Its bytes say what it is, not its headers."""
    if answer.status_code != httpx.codes.OK:
        raise Refused("fetch_refused")
    if int(answer.headers.get("Content-Length", 0)) > _max_bytes():
        raise outbound.BodyTooLarge("the body is said to be over the limit")
    writer = UploadWriter(name or None)
    try:
        for part in answer.iter_raw():
            writer.write(part)
            if writer.upload.refusal:
                break
        return writer.finish()
    except Exception:
        writer.upload.close()
        raise


def _file_name(url: httpx.URL) -> str:
    """The last part of the path, unless it is one that names a folder."""
    name = url.path.rpartition("/")[2]
    return "" if name in {".", ".."} else name


def _max_bytes() -> int:
    return min(settings.MAX_UPLOAD_BYTES, MOST_BYTES)
