"""Streaming to disk: hashed and counted on the way, and nothing left behind whatever happens."""

import errno
import gc
import hashlib
import io
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.test import RequestFactory

from accounts.models import User
from detection import uploads
from tests import images
from tests.factories import files_below, multipart

MEGABYTE = 1024 * 1024


def _posted(body: bytes, content_type: str) -> HttpRequest:
    """Sent by somebody signed in."""
    request = RequestFactory().generic("POST", "/", body, content_type)
    request.user = User(email="alice@example.org")
    return request


def _request(parts: list[tuple[str, str | None, bytes]]) -> HttpRequest:
    return _posted(*multipart(parts))


def _leftovers() -> list[Any]:
    gc.collect()
    return files_below("incoming")


@pytest.fixture(autouse=True)
def _small_limit(settings):
    settings.MAX_UPLOAD_BYTES = 256 * 1024


def test_it_hashes_and_counts_what_it_stores():
    data = images.jpeg_bytes()
    upload = uploads.uploaded(_request([("image", "photo.jpg", data)]), "image")[0]
    assert upload.path.read_bytes() == data
    assert (upload.size, upload.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_the_stored_name_is_ours():
    request = _request([("image", "../../evil.jpg", b"x")])
    upload = uploads.uploaded(request, "image")[0]
    assert "evil" not in str(upload.path)


def test_closing_the_request_removes_what_was_not_kept():
    request = _request([("image", "a.jpg", b"x"), ("image", "b.jpg", b"y")])
    assert len(uploads.uploaded(request, "image")) == 2
    request.close()
    assert files_below("incoming") == []


def test_at_the_limit_it_is_kept(settings):
    data = b"x" * settings.MAX_UPLOAD_BYTES
    upload = uploads.uploaded(_request([("image", "a.jpg", data)]), "image")[0]
    assert (upload.refusal, upload.size) == ("", len(data))


def test_one_byte_over_the_limit_nothing_is_kept(settings):
    data = b"x" * (settings.MAX_UPLOAD_BYTES + 1)
    upload = uploads.uploaded(_request([("image", "a.jpg", data)]), "image")[0]
    assert upload.refusal == "too_large"
    assert upload.path.stat().st_size == 0


def test_a_file_over_the_limit_spares_its_neighbours(settings):
    big = b"x" * (settings.MAX_UPLOAD_BYTES + 1)
    request = _request([("image", "a.jpg", big), ("image", "b.jpg", b"y")])
    refusals = [upload.refusal for upload in uploads.uploaded(request, "image")]
    assert refusals == ["too_large", ""]


def test_far_over_the_limit_it_stops_reading(settings):
    body, content_type = multipart([("image", "a.jpg", b"x" * settings.MAX_UPLOAD_BYTES * 5)])
    request = _posted(body, content_type)
    request._stream = stream = io.BytesIO(body)
    assert uploads.uploaded(request, "image") == []
    assert uploads.interrupted(request) == "too_large"
    assert stream.tell() < settings.MAX_UPLOAD_BYTES * 3


def test_far_over_the_limit_nothing_is_left(settings):
    big = b"x" * (settings.MAX_UPLOAD_BYTES * 5)
    request = _request([("image", "a.jpg", b"first"), ("image", "b.jpg", big)])
    uploads.uploaded(request, "image")
    request.close()
    assert files_below("incoming") == []


def test_a_stranger_stores_nothing():
    request = _request([("image", "a.jpg", images.jpeg_bytes()), ("note", None, b"kept")])
    request.user = AnonymousUser()
    assert uploads.uploaded(request, "image") == []
    assert request.POST["note"] == "kept"
    assert files_below("incoming") == []


def test_all_files_of_a_request_together_have_a_limit(monkeypatch, settings):
    monkeypatch.setattr(uploads, "MAX_REQUEST_BYTES", 3 * settings.MAX_UPLOAD_BYTES)
    part = b"x" * settings.MAX_UPLOAD_BYTES
    request = _request([("image", f"{n}.jpg", part) for n in range(5)])
    uploads.uploaded(request, "image")
    assert uploads.interrupted(request) == "too_large"
    request.close()
    assert files_below("incoming") == []


def test_a_client_that_goes_away_leaves_nothing():
    class Broken(io.BytesIO):
        def read(self, *size: int) -> bytes:
            if self.tell() > MEGABYTE // 8:
                raise OSError("connection reset by peer")
            return super().read(min(*size, 16384))

    body, content_type = multipart([("image", "a.jpg", b"x"), ("image", "b.jpg", b"y" * MEGABYTE)])
    request = _posted(body, content_type)
    request._stream = Broken(body)
    with pytest.raises(UnreadablePostError):
        _ = request.FILES
    request.close()
    del request
    assert _leftovers() == []


def test_a_body_that_breaks_off_leaves_nothing():
    body, content_type = multipart([("image", "a.jpg", images.jpeg_bytes())])
    request = _posted(body[:3000], content_type)
    _ = request.FILES
    request.close()
    del request
    assert _leftovers() == []


def test_too_many_files_leave_nothing(client_of, alice, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 3
    body, content_type = multipart([("image", f"{n}.jpg", b"x") for n in range(4)])
    assert client_of(alice).generic("POST", "/", body, content_type).status_code == 400
    assert _leftovers() == []


def test_a_bad_transfer_encoding_leaves_nothing():
    body, content_type = multipart([("image", "a.jpg", b"not base64!")])
    body = body.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1)
    request = _posted(body, content_type)
    with pytest.raises(MultiPartParserError):
        _ = request.FILES
    del request
    assert _leftovers() == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_and_frees_what_it_took(monkeypatch, number):
    monkeypatch.setattr(uploads, "StoredUpload", _full_disk(number))
    request = _request([("image", "a.jpg", b"x" * 100)])
    upload = request.FILES["image"]
    assert upload.refusal == "disk_full"
    assert upload.path.stat().st_size == 0


def test_another_disk_error_is_not_hidden(monkeypatch):
    monkeypatch.setattr(uploads, "StoredUpload", _full_disk(errno.EIO))
    request = _request([("image", "a.jpg", b"x" * 100)])
    with pytest.raises(OSError, match="disk"):
        _ = request.FILES


def _full_disk(number: int) -> type:
    class FullFile(io.FileIO):
        def write(self, data: Any) -> int:
            raise OSError(number, "disk")

    class Stored(uploads.StoredUpload):
        def __init__(self, file: Any, path: Any, *rest: Any) -> None:
            file.close()
            super().__init__(FullFile(path, "rb+"), path, *rest)  # type: ignore[arg-type]

    return Stored
