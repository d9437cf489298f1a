"""The form of signed reports: no byte can be changed, added or taken away unnoticed."""

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client import report_file
from client.report_file import canonical, check, key_id, sealed_json, sealed_pdf

KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
PUBLIC, STRANGE = (key.public_key().public_bytes_raw().hex() for key in (KEY, OTHER))
ABOUT = {
    "desk": "https://desk.example.org",
    "detection": "d",
    "image_sha256": "0" * 64,
    "issued_at": "2026-11-27T10:00:00+00:00",
    "report": "r",
}
BODY = {"format": report_file.FORMAT, "facts": {"name": "صورة\u202e📷", "probability": 0.1}}
PDF = sealed_pdf(b"%PDF-1.4\n/Keywords (unmask-report/1)\n" + b"page " * 200 + b"%%EOF", ABOUT, KEY)
JSON = sealed_json(BODY, ABOUT, KEY)
FILES = pytest.mark.parametrize("data", [PDF, JSON], ids=["pdf", "json"])


@FILES
def test_a_file_as_it_was_issued_is_intact(data):
    found = check(data, {PUBLIC})
    assert found.result == report_file.INTACT
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.statement["report"] == "r"


@FILES
@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_every_changed_byte_is_found(data, bit):
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= bit
        assert check(bytes(changed), {PUBLIC}).result != report_file.INTACT, place


@FILES
def test_a_file_with_a_changed_byte_is_called_altered(data):
    for place in range(0, len(data), 10):
        changed = bytearray(data)
        changed[place] ^= 0x01
        assert check(bytes(changed), {PUBLIC}).result == report_file.ALTERED, place


@FILES
@pytest.mark.parametrize("change", ["", "\n", " ", "%%EOF\n", "{}"])
def test_nothing_can_be_put_before_or_behind(data, change):
    if change:
        assert check(data + change.encode(), {PUBLIC}).result == report_file.ALTERED
        assert check(change.encode() + data, {PUBLIC}).result == report_file.ALTERED


@FILES
def test_nothing_can_be_taken_away(data):
    for length in range(1, len(data)):
        assert check(data[:length], {PUBLIC}).result != report_file.INTACT
    assert check(data[:-1], {PUBLIC}).result == report_file.ALTERED


@FILES
def test_a_whole_file_of_a_strange_key_is_that_and_not_altered(data):
    assert check(data, {STRANGE}).result == report_file.UNKNOWN_KEY
    assert check(data, ()).result == report_file.UNKNOWN_KEY


def test_one_signature_does_not_pass_for_another_kind():
    statement = json.loads(JSON)["statement"]
    signature = json.loads(JSON)["signature"]
    forged = b"%PDF-" + b"x" + f"\n%unmask-report/1 {canonical(statement)}\n".encode()
    forged += f"%ed25519 {signature}\n".encode()
    assert check(forged, {PUBLIC}).result == report_file.ALTERED


def test_a_signature_of_another_report_does_not_fit():
    other = sealed_pdf(b"%PDF-1.4 unmask-report %%EOF", ABOUT, KEY)
    mixed = PDF[: PDF.index(b"%unmask-report/1 {")] + other[other.index(b"%unmask-report/1 {") :]
    assert check(mixed, {PUBLIC}).result == report_file.ALTERED


def test_what_a_stranger_signs_anew_has_a_strange_key():
    forged = sealed_json(BODY | {"facts": {"probability": 0.9}}, ABOUT, OTHER)
    assert check(forged, {PUBLIC}).result == report_file.UNKNOWN_KEY


def test_the_same_json_in_another_layout_is_altered():
    laid_out = json.dumps(json.loads(JSON), indent=1).encode()
    assert check(laid_out, {PUBLIC}).result == report_file.ALTERED


def signed_with(change: dict[str, object]) -> bytes:
    """A JSON report whose statement is changed and signed again."""
    whole = json.loads(JSON)
    whole["statement"] |= change
    whole["signature"] = KEY.sign(canonical(whole["statement"]).encode()).hex()
    return canonical(whole).encode() + b"\n"


@pytest.mark.parametrize("value", [int("1" * 64), 1.5, None, True, [], {}])
@pytest.mark.parametrize("name", sorted({*ABOUT, "content_sha256", "public_key"}))
def test_what_is_no_text_where_text_belongs_is_never_whole(name, value):
    assert not check(signed_with({name: value}), {PUBLIC}).is_whole


@pytest.mark.parametrize("value", ["1", 1.0, True, None])
def test_a_length_is_a_number(value):
    assert not check(signed_with({"content_bytes": value}), {PUBLIC}).is_whole


def test_a_length_that_only_looks_the_same_is_another():
    length = float(json.loads(JSON)["statement"]["content_bytes"])
    assert not check(signed_with({"content_bytes": length}), {PUBLIC}).is_whole


@pytest.mark.parametrize(
    "data", [b"", b"%PDF-1.4\n%%EOF\n", b"{}", b"[" * 100_000, b"\xff\xd8\xff"]
)
def test_other_files_are_no_reports(data):
    assert check(data, {PUBLIC}).result == report_file.NO_REPORT


def test_a_key_has_a_short_name():
    assert key_id(PUBLIC) == hashlib.sha256(bytes.fromhex(PUBLIC)).hexdigest()[:16]
