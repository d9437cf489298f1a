"""Tags as people type them, made comparable: `Election ` and `election` are one."""

import re
import unicodedata
from collections.abc import Iterable

from django.utils.translation import gettext as _

MAX_TAGS = 20
MAX_LENGTH = 40  # the column's
_BETWEEN = re.compile("[,;\n\u060c\u061b]")  # commas and semicolons, the Arabic ones too


def normalised(typed: str | Iterable[str]) -> list[str]:
    """Tags in small letters, without doubles, sorted.

    Args:
        typed: one text with commas between the tags, or one text a tag.
    Raises:
        ValueError: there are too many, or one is too long.
    """
    parts = _BETWEEN.split(typed) if isinstance(typed, str) else typed
    tags = sorted({tag for part in parts if (tag := _plain(part))})
    if len(tags) > MAX_TAGS:
        raise ValueError(
            _("A case has at most %(most)s tags; these are %(count)s.")
            % {"most": MAX_TAGS, "count": len(tags)}
        )
    if long := next((tag for tag in tags if len(tag) > MAX_LENGTH), ""):
        raise ValueError(
            _("A tag has at most %(most)s characters; “%(beginning)s…” has more.")
            % {"most": MAX_LENGTH, "beginning": long[:12]}
        )
    return tags


def _plain(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    folded = unicodedata.normalize("NFKC", printable).lower()
    return " ".join(_BETWEEN.sub(" ", folded).strip().lstrip("#").split())
