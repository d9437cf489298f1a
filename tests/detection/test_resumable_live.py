"""Resumable uploads over a real line, by the protocol's own client and by lines that break."""

import io
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from tusclient.client import TusClient
from tusclient.exceptions import TusUploadFailed
from tusclient.storage.filestorage import FileStorage

from accounts.models import User
from detection.models import Detection, ResumableUpload, Submission
from detection.services import resumable
from tests import images
from tests.detection.resumable_client import BODY, PHOTO, begin
from tests.factories import files_below, in_parallel

pytestmark = pytest.mark.django_db(transaction=True)
HALF = len(PHOTO) // 2


@pytest.fixture
def client(live_server: Any, alice: User, model_version: object, key_of: Callable[..., str]) -> Any:
    """The client library, with Alice's key."""
    return TusClient(
        f"{live_server.url}/api/v1/uploads", {"Authorization": f"Bearer {key_of(alice)}"}
    )


def _uploader(client: TusClient, data: bytes = PHOTO, **options: Any) -> Any:
    options.setdefault("metadata", {"filename": "a.jpg"})
    return client.uploader(file_stream=io.BytesIO(data), **options)


def _opened(client: TusClient, uploader: Any, length: int) -> socket.socket:
    """A connection on which a PATCH of this length has been announced."""
    address = urlsplit(uploader.url)
    line = socket.create_connection((address.hostname, address.port), timeout=10)
    head = (
        f"PATCH {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nTus-Resumable: 1.0.0\r\n"
        f"Authorization: {client.headers['Authorization']}\r\nContent-Type: {BODY}\r\n"
        f"Upload-Offset: 0\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    line.sendall(head.encode())
    return line


def _wait_for(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(400):
        if condition():
            return
        pause.wait(0.05)
    pytest.fail("it did not come to pass within 20 s")


@pytest.mark.parametrize("checks", [False, True])
def test_the_protocols_own_client_uploads_in_pieces(client: Any, checks: bool) -> None:
    uploader = _uploader(client, chunk_size=1000, upload_checksum=checks)
    uploader.upload()
    assert Submission.objects.get().file_name == "a.jpg"
    assert uploader.request.response_headers["unmask-detection"].endswith(
        str(Detection.objects.get().pk)
    )
    assert files_below("originals")[0].read_bytes() == PHOTO


def test_the_protocols_own_client_goes_on_where_it_was_stopped(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(PHOTO)
    storage = FileStorage(str(tmp_path / "addresses.json"))
    options: dict[str, Any] = {"store_url": True, "url_storage": storage, "chunk_size": 1000}
    client.uploader(str(path), **options).upload_chunk()
    again = client.uploader(str(path), **options)
    assert again.offset == 1000
    again.upload()
    assert ResumableUpload.objects.count() == Submission.objects.count() == 1


def test_the_protocols_own_client_learns_of_a_refusal(client: Any) -> None:
    with pytest.raises(TusUploadFailed) as failed:
        _uploader(client, b"no photograph" * 100).upload()
    assert failed.value.status_code == 415


def test_after_a_line_broke_the_rest_is_enough(client: Any) -> None:
    uploader = _uploader(client)
    uploader.set_url(uploader.create_url())
    line = _opened(client, uploader, len(PHOTO))
    line.sendall(PHOTO[:HALF])
    line.close()
    _wait_for(lambda: uploader.get_offset() == HALF)
    uploader.offset = HALF
    uploader.upload()
    assert files_below("originals")[0].read_bytes() == PHOTO


def test_two_writers_at_once_leave_one_whole_file(client: Any) -> None:
    data = images.png_bytes()
    uploader = _uploader(client, data)
    uploader.set_url(uploader.create_url())

    def write() -> int:
        line = _opened(client, uploader, len(data))
        line.sendall(data)
        with line.makefile("rb") as answer:
            return int(answer.readline().split()[1])

    statuses = sorted(in_parallel(write, times=4))
    assert statuses[0] == 204
    assert set(statuses[1:]) <= {409, 413, 423}
    assert Submission.objects.count() == 1
    assert files_below("originals")[0].read_bytes() == data


def test_so_many_at_once_are_still_no_more_than_allowed(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable, "MAX_OPEN", 3)
    statuses = in_parallel(lambda: begin(Client(headers=client.headers)).status_code, times=8)
    assert sorted(statuses) == [201] * 3 + [429] * 5
