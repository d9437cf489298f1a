"""What kind of bytes follow the end of an image, by how they begin."""

from ml.decoder.ending import Data

_STARTS = (
    (b"PK\x03\x04", "zip"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG", "png"),
    (b"GIF8", "gif"),
    (b"RIFF", "riff"),
    (b"%PDF", "pdf"),
    (b"Rar!", "rar"),
    (b"7z\xbc\xaf", "7z"),
    (b"\x1f\x8b", "gzip"),
    (b"MZ", "program"),
    (b"\x7fELF", "program"),
    (b"<", "markup"),
)
_LOOK = 4096


def kind(data: Data, count: int) -> str:
    """zip, jpeg, video, zeros and so on; other when nothing known begins there, empty for none."""
    if not count:
        return ""
    start = data[len(data) - count : len(data) - count + _LOOK]
    if not start.strip(b"\0"):
        return "zeros"
    if b"ftyp" in start[:128]:
        return "video"
    for magic, name in _STARTS:
        if start.lstrip(b"\0").startswith(magic):
            return name
    return "other"
