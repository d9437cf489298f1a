"""Figures, tables and sections as HTML; whatever is not `Html` already is escaped on the way."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any
from unicodedata import category

DASH = "–"
PER_CENT = "\u00a0%"  # never at the start of a line
Estimate = dict[str, Any]


class Html(str):
    """Markup made here, which is shown as it is."""

    __slots__ = ()


Cell = str | int | Html


def html(value: object) -> Html:
    """A value fit to stand in the page: `Html` as it is, anything else escaped.

    Characters that cannot be seen, such as those that turn the direction of writing, become
    their codes: names of files are hostile.
    """
    if isinstance(value, Html):
        return value
    return Html(escape("".join(map(_seen, str(value)))))


def _seen(character: str) -> str:
    return f"\\u{ord(character):04x}" if category(character)[0] == "C" else character


def joined(parts: Sequence[object]) -> Html:
    return Html("".join(html(part) for part in parts))


def section(title: str, how_to_read: str, *content: Html) -> Html:
    """A part of the page, which opens with one sentence that says how to read it."""
    lead = f'<p class="lead">{html(how_to_read)}</p>'
    return Html(f"<section><h2>{html(title)}</h2>{lead}{joined(content)}</section>\n")


def table(
    caption: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, kind: str = "figures"
) -> Html:
    """A table that scrolls on its own where the page is narrow; first cells are headings."""
    head = joined([Html(f'<th scope="col">{html(column)}</th>') for column in columns])
    body = joined([_row(row) for row in rows])
    return Html(
        f'<div class="scroll" tabindex="0" role="group" aria-label="{html(caption)}">'
        f'<table class="{kind}">'
        f"<caption>{html(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _row(cells: Sequence[Cell]) -> Html:
    first, *others = cells
    body = joined([cell if _is_cell(cell) else Html(f"<td>{html(cell)}</td>") for cell in others])
    return Html(f'<tr><th scope="row">{html(first)}</th>{body}</tr>\n')


def _is_cell(cell: Cell) -> bool:
    return isinstance(cell, Html) and cell.startswith("<td")


def note(text: str) -> Html:
    return Html(f'<p class="note">{html(text)}</p>')


def tile(name: str, figure: Html, detail: str) -> Html:
    """One of the figures that stand large at the head of the page."""
    return Html(
        f'<div><dt>{html(name)}</dt><dd>{figure}</dd><dd class="interval">{html(detail)}</dd></div>'
    )


def plot(svg: Html, caption: str) -> Html:
    return Html(f"<figure>{svg}<figcaption>{html(caption)}</figcaption></figure>")


def share(value: Estimate | None) -> Html:
    """A share in per cent above its interval."""
    return _with_interval(value, percent)


def auc(value: Estimate | None) -> Html:
    return _with_interval(value, decimal)


def percent(value: float | None) -> str:
    return DASH if value is None else f"{value * 100:.1f}{PER_CENT}"


def decimal(value: float | None) -> str:
    return DASH if value is None else f"{value:.3f}"


def interval(value: Estimate, shown: Callable[[float], str]) -> str:
    """Low and high in words that can stand in brackets."""
    low, high = shown(value["low"]), shown(value["high"])
    return f"{low.removesuffix(PER_CENT)}–{high}"


def counted(n: int) -> str:
    return f"n\u00a0=\u00a0{n:,}"


def in_brackets(value: Estimate, shown: Callable[[float | None], str] = percent) -> str:
    """The interval and what was counted, to stand under a figure."""
    within = DASH if value["value"] is None else interval(value, shown)
    return f"({within}), {counted(value['n'])}"


def _with_interval(value: Estimate | None, shown: Callable[[float | None], str]) -> Html:
    if value is None or value["value"] is None:
        return html(DASH)
    within = html(interval(value, shown))
    return Html(f'{html(shown(value["value"]))}<span class="interval">{within}</span>')
