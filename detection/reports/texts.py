"""Text that strangers wrote, made fit to be shown in a document that others will trust."""

import re
import unicodedata

MAX_SHOWN = 300
_UNSEEN = re.compile("[\u2066-\u2069\u200e\u200f]")
LEFT_TO_RIGHT, FIRST_STRONG, END = "\u2066", "\u2068", "\u2069"


def visible(text: str, most: int = MAX_SHOWN) -> str:
    """The text with whatever cannot be seen spelled out, such as `‹U+202E›`, and cut where long.

    Control characters could forge lines, and marks of direction turn `gpj.exe` into `exe.jpg`.
    """
    shown = "".join(_shown(character) for character in text[:most])
    return shown + "…" if len(text) > most else shown


def isolated(text: str) -> str:
    """The visible text with a direction of its own, so that it cannot turn what surrounds it."""
    return f"{FIRST_STRONG}{visible(text)}{END}"


def quoting(sentence: str) -> str:
    """A sentence whose strange parts have a direction of their own; the rest is made visible."""
    return "".join(part if _UNSEEN.match(part) else _shown(part) for part in sentence)


def left_to_right(text: str) -> str:
    """The same for hashes, addresses and numbers, which run from left to right in Arabic too."""
    return f"{LEFT_TO_RIGHT}{visible(text)}{END}"


def without_marks(text: str) -> str:
    """Without the marks of direction that `isolated` adds."""
    return _UNSEEN.sub("", text)


def _shown(character: str) -> str:
    is_unseen = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return f"‹U+{ord(character):04X}›" if is_unseen else character
