"""Text out of a file, made fit to be kept and shown: one printable line of bounded length."""

import unicodedata
from typing import Any

MAX_TEXT = 300
ELLIPSIS = " … "
# They turn the order of what is read: "photo\u202egpj.exe".
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE = ("Cc", "Cs", "Cn", "Co")


def cleaned(value: Any, limit: int) -> str:
    """One line of printable text, cut at the limit."""
    if value is None:
        return ""
    return _printable(_text(value, limit)[: limit * 2])[:limit]


def both_ends(value: Any, limit: int) -> str:
    """As `cleaned`, but of what is too long the end is kept too: generators write there."""
    if isinstance(value, bytes):
        value = value[: 1 << 16].decode("utf-8", "replace")
    text = str(value)
    if len(text) <= limit:
        return cleaned(text, limit)
    tail = limit // 4
    start = cleaned(text, limit - tail - len(ELLIPSIS))
    return f"{start}{ELLIPSIS}{_printable(text[-tail:])}"


def _text(value: Any, limit: int) -> str:
    if isinstance(value, bytes):
        return value[: limit * 4].decode("utf-8", "replace")
    return str(value)


def _printable(text: str) -> str:
    if text.isprintable():
        return text.strip()
    line = "".join(" " if c in "\r\n\t" else c for c in text)
    kept = (c for c in line if unicodedata.category(c) not in _UNPRINTABLE and c not in _TURNS)
    return "".join(kept).strip()
