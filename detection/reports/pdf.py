"""A report as PDF: pages that are set from its content alone, with the signed JSON attached."""

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfdoc
from reportlab.pdfgen.canvas import Canvas

from client.report_file import FORMAT
from detection.reports.content import Content
from detection.reports.pictures import Picture
from detection.reports.texts import left_to_right
from detection.reports.typesetting import BOLD, REGULAR, lines, load_fonts

PAGE_WIDTH, PAGE_HEIGHT = A4
MARGIN, FOOT = 48.0, 56.0
WIDTH = PAGE_WIDTH - 2 * MARGIN
TEXT, SMALL, HEADING, TITLE = 9.5, 7.5, 12.0, 20.0
LEADING = 1.45
LABEL_SHARE = 0.28
GAP = 6.0
PICTURE_HEIGHT, LAYER_HEIGHT = 230.0, 150.0
INK, SOFT, RULE = HexColor("#171a1f"), HexColor("#4d535c"), HexColor("#c9c3b6")
# The inks of variables.css; the words stand beside each.
TONES = {"authentic": "#0b5c50", "manipulated": "#9b2317", "inconclusive": "#6f4a00"}
Draw = Callable[[Canvas], None]
Style = tuple[str, float, Color]
BODY, STRONG, FAINT = (REGULAR, TEXT, INK), (BOLD, TEXT, INK), (REGULAR, TEXT, SOFT)
NOTE, HEAD = (REGULAR, SMALL, SOFT), (BOLD, HEADING, INK)


def drawn(content: Content, attached: bytes, *, footer: str) -> bytes:
    """The report as PDF.

    Args:
        attached: the signed JSON report, embedded as `report.json`.
        footer: stands on each page, beside its number.
    """
    load_fonts()
    text = content.json["text"]
    setter = Setter(is_rtl=text["language"].startswith("ar"))
    setter.title("Unmask", text["title"])
    for section in text["sections"]:
        setter.section(
            section,
            tone=text["tone"] if section["name"] == "verdict" else "",
            ahead=1.5 * LAYER_HEIGHT if section["name"] == "layers" else 0.0,
        )
        if section["name"] == "verdict":
            setter.pictures(content.pictures)
        if section["name"] == "layers":
            setter.pictures(content.layers, height=LAYER_HEIGHT)
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, pageCompression=1, lang=text["language"])
    _describe(canvas, text["title"], content.json["facts"]["desk"])
    _attach(canvas, "report.json", attached)
    setter.draw(canvas, footer)
    canvas.save()
    return buffer.getvalue()


class Setter:
    """Sets what a report holds, page after page from the top; draws at the end.

    Attributes:
        is_rtl: whether lines begin at the right.
    """

    def __init__(self, *, is_rtl: bool) -> None:
        self.is_rtl = is_rtl
        self.pages: list[list[Draw]] = [[]]
        self.y = PAGE_HEIGHT - MARGIN

    def title(self, brand: str, title: str) -> None:
        self.text(brand, STRONG)
        self.text(title, (BOLD, TITLE, INK))
        self._rule(INK, 1.2)

    def section(self, section: dict[str, Any], *, tone: str = "", ahead: float = 0.0) -> None:
        """Its title, then the parts that it has; one with a tone has its colour at its side.

        Args:
            ahead: of what follows it, as much as shall stand on the same page.
        """
        style = (BOLD, HEADING + 3, HexColor(TONES[tone])) if tone in TONES else HEAD
        self.y -= 2 * GAP
        self._need(6 * TEXT * LEADING + ahead)
        page, top = len(self.pages), self.y
        indent = 2 * GAP if tone else 0.0
        self.text(section["title"], style, indent=indent)
        for paragraph in section.get("paragraphs", []):
            self.text(paragraph, BODY, indent=indent)
        for point in section.get("points", []):
            self._point(point, indent)
        for label, value in section.get("rows", []):
            self.row([(label, FAINT, LABEL_SHARE), (value, BODY, 1 - LABEL_SHARE)])
        if "table" in section:
            self._table(section["table"])
        if tone in TONES and page == len(self.pages):
            self._bar(top, HexColor(TONES[tone]))

    def text(self, text: str, style: Style, *, indent: float = 0.0) -> None:
        """A paragraph, from its beginning's side."""
        font, size, _colour = style
        for line in lines(text, font, size, WIDTH - indent, is_rtl=self.is_rtl):
            self._need(size * LEADING)
            self._place(line, style, indent)
            self.y -= size * LEADING
        self.y -= GAP / 2

    def row(self, cells: Sequence[tuple[str, Style, float]]) -> None:
        """Texts beside each other, each in its share of the width, under a thin rule."""
        set_cells = [
            (lines(text, style[0], style[1], share * WIDTH - GAP, is_rtl=self.is_rtl), style, share)
            for text, style, share in cells
        ]
        height = max(len(found) * style[1] for found, style, _share in set_cells) * LEADING + GAP
        self._need(min(height, PAGE_HEIGHT - MARGIN - FOOT))
        self._rule(RULE, 0.4)
        top, start = self.y, 0.0
        for found, style, share in set_cells:
            for number, line in enumerate(found):
                self.y = top - number * style[1] * LEADING
                self._place(line, style, start)
            start += share * WIDTH
        self.y = top - height + GAP / 2

    def pictures(self, pictures: Sequence[Picture], *, height: float = PICTURE_HEIGHT) -> None:
        """Two beside each other, each above its caption."""
        for first in range(0, len(pictures), 2):
            self._pair(pictures[first : first + 2], height)

    def draw(self, canvas: Canvas, footer: str) -> None:
        """All pages, each with the footer and its number of all."""
        for number, page in enumerate(self.pages, 1):
            for step in page:
                step(canvas)
            self._foot(canvas, footer, left_to_right(f"{number} / {len(self.pages)}"))
            canvas.showPage()

    def _pair(self, pictures: Sequence[Picture], most: float) -> None:
        column = (WIDTH - 2 * GAP) / 2
        readers = [ImageReader(io.BytesIO(one.jpeg)) for one in pictures]
        captions = [
            lines(one.caption, REGULAR, SMALL, column, is_rtl=self.is_rtl) for one in pictures
        ]
        boxes = [_fitted(reader.getSize(), column, most) for reader in readers]
        self.y -= GAP
        longest = max(len(caption) for caption in captions)
        self._need(max(height for _width, height in boxes) + (longest + 2) * SMALL * LEADING)
        top = self.y
        bottoms = []
        for place, (reader, (width, height)) in enumerate(zip(readers, boxes, strict=True)):
            start = place * (column + 2 * GAP)
            left = self._left(start, width)
            self._add(partial(_draw_image, reader=reader, box=(left, top - height, width, height)))
            self.y = top - height - GAP - SMALL
            for line in captions[place]:
                self._place(line, NOTE, start)
                self.y -= SMALL * LEADING
            bottoms.append(self.y)
        self.y = min(bottoms)

    def _point(self, text: str, indent: float) -> None:
        dot = self.y - TEXT
        before = len(self.pages)
        self.text(text, BODY, indent=indent + 2 * GAP)
        if before == len(self.pages):
            at = self._left(indent, GAP) + GAP / 2
            self._add(partial(_draw_dot, at=(at, dot + TEXT * 0.35)))

    def _table(self, table: dict[str, Any]) -> None:
        shares = [width / sum(table["widths"]) for width in table["widths"]]
        head = (BOLD, SMALL, SOFT)
        cell = (REGULAR, SMALL + 0.5, INK)
        self.row([(text, head, share) for text, share in zip(table["head"], shares, strict=True)])
        for row in table["rows"]:
            self.row([(text, cell, share) for text, share in zip(row, shares, strict=True)])

    def _place(self, line: str, style: Style, start: float) -> None:
        """One line that begins so far from the side where reading begins."""
        at = (PAGE_WIDTH - MARGIN - start if self.is_rtl else MARGIN + start, self.y - style[1])
        self._add(partial(_draw_text, line=line, style=style, at=at, is_rtl=self.is_rtl))

    def _left(self, start: float, width: float) -> float:
        return PAGE_WIDTH - MARGIN - start - width if self.is_rtl else MARGIN + start

    def _bar(self, top: float, colour: Color) -> None:
        left = self._left(0.0, 3.0)
        self._add(partial(_draw_bar, box=(left, self.y, 3.0, top - self.y), colour=colour))

    def _rule(self, colour: Color, thickness: float) -> None:
        y = self.y
        self._add(partial(_draw_rule, y=y, colour=colour, thickness=thickness))
        self.y -= GAP / 2

    def _need(self, height: float) -> None:
        """Turn the page where so much does not fit on it any more."""
        if self.y - height < FOOT:
            self.pages.append([])
            self.y = PAGE_HEIGHT - MARGIN

    def _add(self, step: Draw) -> None:
        self.pages[-1].append(step)

    def _foot(self, canvas: Canvas, footer: str, number: str) -> None:
        _draw_rule(canvas, y=FOOT - GAP, colour=RULE, thickness=0.4)
        self.y = FOOT - GAP - GAP / 2
        start = self.pages[-1]
        for text, share in ((footer, 0.0), (number, 0.93)):
            [line, *_rest] = lines(text, REGULAR, SMALL, WIDTH, is_rtl=self.is_rtl)
            before = len(start)
            self._place(line, NOTE, share * WIDTH)
            for step in start[before:]:
                step(canvas)
            del start[before:]


def _fitted(size: tuple[int, int], width: float, height: float) -> tuple[float, float]:
    scale = min(width / size[0], height / size[1])
    return size[0] * scale, size[1] * scale


def _draw_text(
    canvas: Canvas, line: str, style: Style, at: tuple[float, float], *, is_rtl: bool
) -> None:
    canvas.setFont(style[0], style[1])
    canvas.setFillColor(style[2])
    (canvas.drawRightString if is_rtl else canvas.drawString)(*at, line)


def _draw_rule(canvas: Canvas, y: float, colour: Color, thickness: float) -> None:
    canvas.setStrokeColor(colour)
    canvas.setLineWidth(thickness)
    canvas.line(MARGIN, y, PAGE_WIDTH - MARGIN, y)


def _draw_bar(canvas: Canvas, box: tuple[float, float, float, float], colour: Color) -> None:
    canvas.setFillColor(colour)
    canvas.rect(*box, stroke=0, fill=1)


def _draw_dot(canvas: Canvas, at: tuple[float, float]) -> None:
    canvas.setFillColor(SOFT)
    canvas.circle(*at, 1.3, stroke=0, fill=1)


def _draw_image(
    canvas: Canvas, reader: ImageReader, box: tuple[float, float, float, float]
) -> None:
    canvas.drawImage(reader, *box)
    canvas.setStrokeColor(RULE)
    canvas.setLineWidth(0.4)
    canvas.rect(*box, stroke=1, fill=0)


def _describe(canvas: Canvas, title: str, desk: str) -> None:
    canvas.setTitle(title)
    canvas.setAuthor(f"Unmask, {desk}")
    canvas.setCreator("Unmask")
    canvas.setKeywords(FORMAT)


def _attach(canvas: Canvas, name: str, data: bytes) -> None:
    """Embed a file, which readers of PDF list among the attachments."""
    document = canvas._doc
    kind = {"Type": pdfdoc.PDFName("EmbeddedFile"), "Subtype": pdfdoc.PDFName("application/json")}
    stream = pdfdoc.PDFStream(pdfdoc.PDFDictionary(kind), data, filters=[pdfdoc.PDFZCompress])
    file = pdfdoc.PDFDictionary({"F": document.Reference(stream)})
    specification = pdfdoc.PDFDictionary(
        {
            "AFRelationship": pdfdoc.PDFName("Data"),
            "EF": file,
            "F": pdfdoc.PDFString(name),
            "Type": pdfdoc.PDFName("Filespec"),
            "UF": pdfdoc.PDFString(name),
        }
    )
    names = [pdfdoc.PDFString(name), document.Reference(specification)]
    tree = pdfdoc.PDFDictionary({"Names": pdfdoc.PDFArray(names)})
    document.Catalog.Names = pdfdoc.PDFDictionary({"EmbeddedFiles": tree})
