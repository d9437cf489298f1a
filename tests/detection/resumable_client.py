"""A client of resumable uploads as tests need it: each request of the protocol by itself."""

import base64
from typing import Any

from django.test import Client

from tests import images

UPLOADS = "/api/v1/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
BODY = "application/offset+octet-stream"
PHOTO = images.jpeg_bytes()


def encoded(**values: str) -> str:
    """An `Upload-Metadata` header."""
    pairs = ((key, base64.b64encode(value.encode()).decode()) for key, value in values.items())
    return ",".join(f"{key} {value}" for key, value in pairs)


def begin(client: Client, size: int = len(PHOTO), **values: str) -> Any:
    """The answer to the creation of an upload."""
    headers = TUS | {"Upload-Length": str(size), "Upload-Metadata": encoded(**values)}
    return client.post(UPLOADS, headers=headers)


def begun(client: Client, size: int = len(PHOTO), **values: str) -> str:
    """The address of a new upload."""
    answer = begin(client, size, **values)
    assert answer.status_code == 201, answer.content
    return str(answer.headers["Location"]).removeprefix("http://testserver")


def send(client: Client, address: str, data: bytes, offset: int = 0, **headers: str) -> Any:
    """The answer to one piece; `headers` with underscores."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    if not data:  # the test client says neither of an empty body
        more |= {"Content-Type": BODY, "Content-Length": "0"}
    return client.generic(
        "PATCH", address, data, BODY, headers=TUS | {"Upload-Offset": str(offset)} | more
    )


def ask(client: Client, address: str) -> Any:
    return client.head(address, headers=TUS)
