"""The words under which a file name or an address is found: letters and digits, each run a word."""

import re
import unicodedata

MAX_WORD = 64
MAX_WORDS_LENGTH = 2000
PREFIX_FROM = 2  # the beginning of a word that is asked for has so many letters at least
MAX_ASKED = 8
RUNS = re.compile(r"\d+|[^\W\d_]+")
HEX = re.compile(r"[0-9a-f]{6,64}")


def words_of(*texts: str) -> str:
    """Each word once, in order, by single spaces; `IMG_0042.JPG` gives `img 0042 jpg`."""
    words = dict.fromkeys(word for text in texts for word in split(text))
    kept = ""
    for word in words:
        if len(kept) + len(word) >= MAX_WORDS_LENGTH:
            break
        kept = f"{kept} {word}" if kept else word
    return kept


def split(text: str) -> list[str]:
    """The words of a text, folded so that case, width and marks make no difference."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return [word[:MAX_WORD] for word in RUNS.findall(bare)]


def asked_words(text: str) -> list[tuple[str, bool]]:
    """What somebody looks for: rows must have all of these words. A star after a word, `harb*`,
    stands for all that begin so: the second of each pair.
    """
    found: dict[str, bool] = {}
    for piece in re.findall(r"[^\s*]+\*?", text):
        words = split(piece)
        for word in words:
            is_begun = piece.endswith("*") and word == words[-1] and len(word) >= PREFIX_FROM
            found[word] = found.get(word, False) or is_begun
    return list(found.items())[:MAX_ASKED]


def asked_number(text: str) -> str:
    """The beginning of a SHA-256 or of a detection's id, in lower case; empty if it is none."""
    bare = text.strip().lower().replace("-", "")
    return bare if HEX.fullmatch(bare) else ""
