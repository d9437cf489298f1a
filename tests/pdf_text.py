"""The text and the streams of a PDF of ours, read back from its bytes alone."""

import base64
import re
import zlib
from collections.abc import Iterator

_OBJECT = re.compile(rb"(?s)(\d+) 0 obj\n(.*?)endobj")
_STREAM = re.compile(rb"(?s)^(.*?)\nstream\n(.*)endstream")
_SHOWN = re.compile(rb"(?s)/(F\d+\+\d+) [\d.]+ Tf|\(((?:\\.|[^\\()])*)\) Tj")


def streams(pdf: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Dictionary and decoded content of each stream; a JPEG stays one."""
    for _number, body in _OBJECT.findall(pdf):
        if (stream := _STREAM.match(body)) is not None:
            yield stream[1], _decoded(stream[1], stream[2])


def attached(pdf: bytes) -> bytes:
    """The one embedded file."""
    [found] = [content for head, content in streams(pdf) if b"/EmbeddedFile" in head]
    return found


def texts(pdf: bytes) -> list[str]:
    """Every string that is drawn, in the order of drawing."""
    objects = dict(_OBJECT.findall(pdf))
    maps = {name: _characters(objects, font) for name, font in _fonts(objects)}
    found, current = [], ""
    for head, content in streams(pdf):
        if b"/Type" in head or b"/Length1" in head or b"beginbfchar" in content:
            continue
        for font, text in _SHOWN.findall(content):
            current = font.decode() if font else current
            if not font:
                found.append("".join(maps[current].get(code, "?") for code in _bytes(text)))
    return found


def _fonts(objects: dict[bytes, bytes]) -> Iterator[tuple[str, bytes]]:
    for body in objects.values():
        for name, number in re.findall(rb"/(F\d+\+\d+) (\d+) 0 R", body):
            yield name.decode(), objects[number]


def _characters(objects: dict[bytes, bytes], font: bytes) -> dict[int, str]:
    [number] = re.findall(rb"/ToUnicode (\d+) 0 R", font)
    head, raw = _STREAM.match(objects[number]).groups()
    table = _decoded(head, raw).decode("ascii")
    pairs = re.findall(r"<(\w\w)> <(\w+)>", table.partition("beginbfchar")[2])
    return {int(code, 16): bytes.fromhex(point).decode("utf-16-be") for code, point in pairs}


def _bytes(text: bytes) -> bytes:
    plain = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), text)
    return re.sub(rb"\\(.)", rb"\1", plain)


def _decoded(head: bytes, raw: bytes) -> bytes:
    if b"/ASCII85Decode" in head:
        raw = base64.a85decode(raw.strip().removesuffix(b"~>"))
    return zlib.decompress(raw) if b"/FlateDecode" in head else raw
