"""The words of the tus protocol, version 1.0.0 (https://tus.io): headers read and written."""

import base64
import binascii
import json
import re
from typing import Any

from django.conf import settings
from rest_framework.exceptions import UnsupportedMediaType, ValidationError
from rest_framework.request import Request

from detection.errors import Refused

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,termination,checksum"
CHECKSUMS = {"sha1": 20, "sha256": 32}  # and how many bytes each has
BODY_TYPE = "application/offset+octet-stream"
NUMBER = re.compile(r"[0-9]{1,15}")
KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")


def capabilities() -> dict[str, str]:
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(settings.MAX_UPLOAD_BYTES),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
    }


def require_version(request: Request) -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise Refused("tus_version")


def require_body_type(request: Request) -> None:
    if request.content_type != BODY_TYPE:
        raise UnsupportedMediaType(request.content_type, f"The body must be {BODY_TYPE}.")


def number(request: Request, header: str) -> int:
    value = request.headers.get(header, "")
    if not NUMBER.fullmatch(value):
        raise ValidationError({header: "This header must give a number of bytes."})
    return int(value)


def checksum(request: Request) -> tuple[str, bytes] | None:
    """Algorithm and digest of the body, where the client gives them."""
    value = request.headers.get("Upload-Checksum")
    if value is None:
        return None
    algorithm, _space, encoded = value.partition(" ")
    digest = _decoded(encoded)
    if digest is None or len(digest) != CHECKSUMS.get(algorithm):
        wanted = " or ".join(CHECKSUMS)
        raise ValidationError({"Upload-Checksum": f"Say {wanted}, a space and the Base64 digest."})
    return algorithm, digest


def metadata(request: Request) -> dict[str, str]:
    """The keys and values of `Upload-Metadata`, each key once."""
    found: dict[str, str] = {}
    for pair in request.headers.get("Upload-Metadata", "").split(","):
        key, _space, encoded = pair.strip().partition(" ")
        if not key and not encoded:
            continue
        value = _text(encoded)
        if value is None or not KEY.fullmatch(key) or key in found:
            raise ValidationError(
                {"Upload-Metadata": "Give each key once, a space and its value, UTF-8 in Base64."}
            )
        found[key] = value
    return found


def metadata_header(file_name: str, fields: dict[str, Any]) -> str:
    """`Upload-Metadata` as it was understood, and hardly longer than it came."""
    values = {"filename": file_name} | {key: _said(value) for key, value in fields.items()}
    pairs = ((key, base64.b64encode(value.encode()).decode()) for key, value in values.items())
    return ",".join(f"{key} {encoded}".strip() for key, encoded in pairs)


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _text(encoded: str) -> str | None:
    decoded = _decoded(encoded)
    try:
        return None if decoded is None else decoded.decode()
    except UnicodeDecodeError:
        return None


def _decoded(encoded: str) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
