"""The form of a signed report, as PDF or JSON: how it is sealed, and how it is checked.

A signature covers every byte of a PDF before it and stands behind `%%EOF` as two comment lines,
which readers of PDF skip. A JSON report is one line in its one canonical form, with the signature
inside. Either is bound to the file as a whole: no byte can be changed, added or taken away. See
docs/decisions/0019.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT = "unmask-report/1"
MAX_BYTES = 10 * 1024 * 1024
INTACT, ALTERED, UNKNOWN_KEY, NO_REPORT = "intact", "altered", "unknown_key", "no_report"
PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_STATED = {
    "content_bytes",
    "content_sha256",
    "desk",
    "detection",
    "format",
    "image_sha256",
    "issued_at",
    "kind",
    "public_key",
    "report",
}
_BLOCK = re.compile(rb"%unmask-report/1 (\{[ -~]{1,4000}\})\n%ed25519 ([0-9a-f]{128})\n\Z")
_BLOCK_BYTES = 4200


@dataclass(frozen=True)
class Checked:
    """What a file turned out to be.

    Attributes:
        result: `intact`, `altered`, `unknown_key` (whole, but signed by nobody we know) or
            `no_report`.
        statement: what was signed; empty unless the file is whole.
        sha256: of the file.
    """

    result: str
    sha256: str
    statement: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        return self.result in {INTACT, UNKNOWN_KEY}


def canonical(value: object) -> str:
    """JSON text that is the same for the same value: sorted keys, no spaces, ASCII only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def key_id(public_key: str) -> str:
    """A short name of a public key, which is given in hex."""
    return hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:16]


def sealed_pdf(pdf: bytes, about: Mapping[str, str], key: Ed25519PrivateKey) -> bytes:
    """The PDF with the signature over all of it behind its end.

    Args:
        about: report, detection, image_sha256, issued_at and desk.
    """
    content = pdf if pdf.endswith(b"\n") else pdf + b"\n"
    stated = canonical(_statement("pdf", content, about, key))
    signature = key.sign(stated.encode("ascii")).hex()
    return content + f"%{FORMAT} {stated}\n%ed25519 {signature}\n".encode("ascii")


def sealed_json(
    report: Mapping[str, Any], about: Mapping[str, str], key: Ed25519PrivateKey
) -> bytes:
    """The report with its signature, as one line."""
    statement = _statement("json", canonical(report).encode("ascii"), about, key)
    signature = key.sign(canonical(statement).encode("ascii")).hex()
    whole = {"report": report, "signature": signature, "statement": statement}
    return canonical(whole).encode("ascii") + b"\n"


def check(data: bytes, known_keys: Collection[str]) -> Checked:
    """Hold a file against its signature.

    Args:
        known_keys: public keys that are trusted, in hex.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        signed = _signed_pdf(data) if data.startswith(b"%PDF-") else _signed_json(data)
    except RecursionError:  # JSON that is nothing but brackets
        signed = None
    if signed is None or not _is_signed(*signed):
        is_ours = FORMAT.rpartition("/")[0].encode() in data
        return Checked(ALTERED if is_ours else NO_REPORT, sha256)
    statement = signed[0]
    return Checked(
        INTACT if statement["public_key"] in known_keys else UNKNOWN_KEY, sha256, statement
    )


def _statement(
    kind: str, content: bytes, about: Mapping[str, str], key: Ed25519PrivateKey
) -> dict[str, Any]:
    return {
        **about,
        "content_bytes": len(content),
        "content_sha256": hashlib.sha256(content).hexdigest(),
        "format": FORMAT,
        "kind": kind,
        "public_key": key.public_key().public_bytes_raw().hex(),
    }


Signed = tuple[dict[str, Any], bytes, str]  # statement, what it is about, signature


def _signed_pdf(data: bytes) -> Signed | None:
    start = max(0, len(data) - _BLOCK_BYTES)
    block = _BLOCK.search(data, start)
    if block is None:
        return None
    text = block[1].decode("ascii")
    statement = _parsed(text)
    if not isinstance(statement, dict) or canonical(statement) != text:
        return None
    return _of_kind("pdf", statement, data[: block.start()], block[2].decode("ascii"))


def _signed_json(data: bytes) -> Signed | None:
    whole = _parsed(data.decode("ascii", "replace"))
    if not isinstance(whole, dict) or set(whole) != {"report", "signature", "statement"}:
        return None
    if canonical(whole).encode("ascii") + b"\n" != data:
        return None
    content = canonical(whole["report"]).encode("ascii")
    return _of_kind("json", whole["statement"], content, whole["signature"])


def _of_kind(kind: str, statement: object, content: bytes, signature: object) -> Signed | None:
    """The three together, where they have the form that belongs to this kind of file."""
    if not isinstance(statement, dict) or set(statement) != _STATED:
        return None
    if (statement["format"], statement["kind"]) != (FORMAT, kind):
        return None
    if not isinstance(signature, str) or not _SIGNATURE.fullmatch(signature):
        return None
    if not _are_of_their_types(statement) or not PUBLIC_KEY.fullmatch(statement["public_key"]):
        return None
    return statement, content, signature


def _are_of_their_types(statement: dict[str, Any]) -> bool:
    """Whether a number stands where one belongs, and words everywhere else."""
    words = [value for name, value in statement.items() if name != "content_bytes"]
    return type(statement["content_bytes"]) is int and all(isinstance(one, str) for one in words)


def _is_signed(statement: dict[str, Any], content: bytes, signature: str) -> bool:
    """Whether content and statement are what the key named in the statement signed."""
    if statement["content_bytes"] != len(content):
        return False
    if statement["content_sha256"] != hashlib.sha256(content).hexdigest():
        return False
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(statement["public_key"]))
    try:
        key.verify(bytes.fromhex(signature), canonical(statement).encode("ascii"))
    except InvalidSignature:
        return False
    return True


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
