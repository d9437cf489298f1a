"""Lines of text for a PDF: wrapped, Arabic letters joined, in the order in which they are seen.

PDF knows neither joining nor direction, so text is broken into lines first, in the order in which
it is read, and each line is turned by itself.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import arabic_reshaper
from bidi import get_display
from reportlab import rl_config
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from detection.reports.texts import END, FIRST_STRONG, LEFT_TO_RIGHT, without_marks

FONTS = Path(__file__).parent / "fonts"
REGULAR, BOLD = "unmask-regular", "unmask-bold"
FILES = {REGULAR: "DejaVuSans-report.ttf", BOLD: "DejaVuSans-Bold-report.ttf"}
MISSING = "\u25a1"  # for what the font has no glyph for
# `get_display` turns brackets with their text and leaves them as they are: "(a)" becomes ")a(". An
# unseen character behind each tells afterwards which were turned: there it stands before them.
TAG = "\u200b"
MIRRORED = dict(zip("()[]{}<>«»‹›", ")(][}{><»«›‹", strict=True))
_SPACES = re.compile("[ \t\r\n]+")  # where a line may end: not at a no-break space
_BRACKET = re.compile(r"[()\[\]{}<>«»‹›]")
_TAGGED = re.compile(rf"{TAG}({_BRACKET.pattern})|({_BRACKET.pattern}){TAG}")


@cache
def load_fonts() -> None:
    """Make both fonts known to reportlab, once in a process."""
    rl_config.useA85 = 0  # bytes as they are: in ASCII a picture is a quarter longer
    for name, file in FILES.items():
        pdfmetrics.registerFont(TTFont(name, str(FONTS / file)))


def width_of(text: str, font: str, size: float) -> float:
    """How wide a text is drawn, in points; whatever is in it, this is what `lines` measures by."""
    load_fonts()
    return float(pdfmetrics.stringWidth(_drawable(_joined(text), font), font, size))


def lines(text: str, font: str, size: float, width: float, *, is_rtl: bool) -> list[str]:
    """A text as lines that fit, ready to be drawn."""
    logical = _balanced(_wrapped(text, font, size, width))
    return [seen(line, font, is_rtl=is_rtl) for line in logical]


def seen(line: str, font: str, *, is_rtl: bool) -> str:
    """One line as it is drawn from left to right."""
    load_fonts()
    if not is_rtl and line.isascii():
        return _drawable(line, font)
    tagged = _BRACKET.sub(rf"\g<0>{TAG}", line.replace(TAG, ""))
    turned = get_display(_joined(tagged), base_dir="R" if is_rtl else "L")
    return _drawable(_TAGGED.sub(_mirrored, str(turned)), font)


def _wrapped(text: str, font: str, size: float, width: float) -> Iterator[str]:
    line = ""
    for word in _SPACES.split(text.strip()):
        together = f"{line} {word}" if line else word
        if width_of(together, font, size) <= width:
            line = together
            continue
        if line:
            yield line
        *full, line = _broken(word, font, size, width)
        yield from full
    if line:
        yield line


def _broken(word: str, font: str, size: float, width: float) -> list[str]:
    """A word in parts that fit: one part, unless it is longer than a line."""
    if width_of(word, font, size) <= width:
        return [word]
    parts, part = [], ""
    for character in word:
        if part and width_of(part + character, font, size) > width:
            parts.append(part)
            part = ""
        part += character
    return [*parts, part]


def _balanced(logical: Iterator[str]) -> Iterator[str]:
    """Lines each of which opens again what the one before left open, and closes what it opens."""
    opened: list[str] = []
    for line in logical:
        before = "".join(opened)
        for character in line:
            if character in {LEFT_TO_RIGHT, FIRST_STRONG}:
                opened.append(character)
            elif character == END and opened:
                opened.pop()
        yield before + line + END * len(opened)


def _mirrored(found: re.Match[str]) -> str:
    return MIRRORED[found[1]] if found[1] else found[2]


@cache
def _joiner() -> arabic_reshaper.ArabicReshaper:
    # Without vowel signs: nothing here sets a mark over its letter, it would stand over the next.
    return arabic_reshaper.ArabicReshaper({"delete_harakat": True, "ARABIC LIGATURE ALLAH": False})


def _joined(text: str) -> str:
    return text if text.isascii() else str(_joiner().reshape(text))


def _drawable(text: str, font: str) -> str:
    known = pdfmetrics.getFont(font).face.charToGlyph
    shown = without_marks(text).replace(TAG, "")  # one at the end of a line goes its own way
    return "".join(c if ord(c) in known else MISSING for c in shown)
