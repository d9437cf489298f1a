"""Large files, in pieces, by tus 1.0.0: what was sent before a cut is not sent again."""

from base64 import b64encode
from collections.abc import Mapping
from typing import BinaryIO

import httpx

from client.errors import DeskError
from client.transport import MAY_PASS, Transport

PIECE_BYTES = 8 * 1024 * 1024
TUS = {"Tus-Resumable": "1.0.0"}
SCOPE = "detections:write"
DETECTION_HEADER = "Unmask-Detection"  # its address
# Another offset than the desk's, and an upload that another request still writes: asking helps.
OUT_OF_STEP = frozenset({409, 423})


def upload(
    transport: Transport,
    stream: BinaryIO,
    *,
    size: int,
    fields: Mapping[str, str],
    idempotency_key: str,
) -> str:
    """Send a file of this size; the detection's id.

    Raises:
        DeskError: refused, or cut for too long.
        OSError: the file cannot be read.
    """
    headers = {
        **TUS,
        "Upload-Length": str(size),
        "Upload-Metadata": ",".join(f"{name} {_coded(text)}" for name, text in fields.items()),
        "Idempotency-Key": idempotency_key,
    }
    created = transport.request("POST", "uploads", scope=SCOPE, headers=headers)
    address = _on_the_desk(transport, created)
    offset = 0
    while True:
        answer = _send_piece(transport, address, stream, offset)
        if detection := answer.headers.get(DETECTION_HEADER):
            return str(detection).rpartition("/")[2]
        offset = _offset(answer)
        if offset >= size:
            raise DeskError("http_error", "the desk took the whole file and named no detection")


def _send_piece(
    transport: Transport, address: str, stream: BinaryIO, offset: int
) -> httpx.Response:
    """Send the piece at this offset or, after a cut, at the one that the desk has reached."""
    is_first = True

    def attempt() -> httpx.Response:
        nonlocal is_first, offset
        if not is_first:
            state = _state(transport, address)
            if state.headers.get(DETECTION_HEADER):
                return state
            offset = _offset(state)
        is_first = False
        stream.seek(offset)
        return transport.once(
            "PATCH",
            address,
            scope=SCOPE,
            may_pass=MAY_PASS | OUT_OF_STEP,
            headers={
                **TUS,
                "Upload-Offset": str(offset),
                "Content-Type": "application/offset+octet-stream",
            },
            content=stream.read(PIECE_BYTES),
        )

    return transport.patiently(attempt)


def _state(transport: Transport, address: str) -> httpx.Response:
    try:
        return transport.once("HEAD", address, scope=SCOPE, headers=TUS)
    except DeskError as error:
        if error.status in {404, 410}:
            raise DeskError("upload_gone", "the desk no longer has the upload") from None
        raise


def _on_the_desk(transport: Transport, created: httpx.Response) -> str:
    """Where the upload lives: never on another host, which would learn the key."""
    address = created.request.url.join(created.headers.get("Location", ""))
    desk = httpx.URL(transport.url)
    if (address.scheme, address.netloc) != (desk.scheme, desk.netloc):
        detail = f"{transport.url} names itself {address.scheme}://{address.netloc.decode()}"
        raise DeskError("redirected", f"{detail}; use that address", is_hopeless=True)
    return str(address)


def _offset(answer: httpx.Response) -> int:
    text = answer.headers.get("Upload-Offset", "")
    if not text.isdecimal():
        raise DeskError("http_error", "the desk does not say how much of the file it has")
    return int(text)


def _coded(text: str) -> str:
    return b64encode(text.encode()).decode()
