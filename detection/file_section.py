"""What the file says about itself, in groups and sentences; the template only lays it out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from detection import file_words
from detection.file_dates import StatedDate, contradictions, stated_dates
from detection.file_marks import Mark, file_marks, stated_fields

Text = str | Promise
FORMAT_OF_ENDING = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".mpo": "JPEG",
    ".png": "PNG",
    ".apng": "PNG",
    ".webp": "WebP",
    ".gif": "GIF",
    ".heic": "HEIC",
    ".heif": "HEIC",
    ".hif": "HEIC",
    ".avif": "AVIF",
}
_FORMAT_NAMES = {"MPO": "JPEG", "WEBP": "WebP"}
_OF_GROUP = {"exif": "EXIF", "xmp": "XMP", "iptc": "IPTC", "text": ""}


@dataclass(frozen=True)
class Row:
    """One thing the file states: what, the value as it stands there, and where (EXIF, XMP …)."""

    label: Text
    value: str
    where: str = ""


@dataclass(frozen=True)
class Group:
    title: Text
    rows: list[Row]


@dataclass(frozen=True)
class Position:
    """Where the file says it was taken; `x` and `y` are on a map of 360 by 180, as text."""

    latitude: str
    longitude: str
    x: str
    y: str


@dataclass(frozen=True)
class Thumbnail:
    """What is said of the embedded thumbnail; it is shown where it differs."""

    sentence: Text
    differs: bool


@dataclass(frozen=True)
class Credentials:
    """Content credentials in sentences; `tone` as of a verdict, but never the only sign."""

    tone: str
    title: Text
    sentences: list[Text]
    rows: list[Row]


@dataclass(frozen=True)
class FileSection:
    """Everything a page says about one file.

    Attributes:
        marks: what the file says about having been generated, a sentence each.
        findings: what does not fit together, or is worth a look, in sentences.
        groups: the telling statements.
        others: all the rest.
        position: None also for those who may not see the original.
        is_silent: it states nothing about itself.
    """

    marks: list[str]
    findings: list[str]
    groups: list[Group]
    others: list[Row]
    position: Position | None
    thumbnail: Thumbnail | None
    credentials: Credentials
    is_silent: bool


def file_section(
    facts: dict[str, Any], *, file_name: str, received: datetime, may_see_original: bool
) -> FileSection:
    """Put the facts of a file into words, in the reader's language.

    Args:
        facts: `Image.facts`; those of an older desk simply say less.
        file_name: the client's name for it, as the reader may see it.
        may_see_original: without that, neither position nor thumbnail is given.
    """
    fields, file = stated_fields(facts), facts.get("file") or {}
    dates = stated_dates(fields)
    groups = [
        Group(file_words.CAMERA, _rows(fields, file_words.CAMERA_FIELDS)),
        Group(file_words.EDITING, [*_rows(fields, file_words.EDITING_FIELDS), *_steps(file)]),
        Group(file_words.DATES, [_date_row(date) for date in dates]),
        Group(file_words.RIGHTS, _rows(fields, file_words.RIGHTS_FIELDS)),
    ]
    position = _position(facts)
    return FileSection(
        marks=mark_sentences(file_marks(facts)),
        findings=_findings(facts, dates, file_name, received),
        groups=[group for group in groups if group.rows],
        others=_others(fields, dates),
        position=position if may_see_original else None,
        thumbnail=_thumbnail(file) if may_see_original else None,
        credentials=_credentials(file),
        is_silent=not (any(fields.values()) or position),
    )


def mark_sentences(marks: Iterable[Mark]) -> list[str]:
    """What the file says about having been generated, with the field that says it."""
    return [
        file_words.MARK_SENTENCES[mark.kind]
        % {
            "what": ", ".join(part for part in (mark.program, _quoted(mark.text)) if part),
            "where": _isolated(mark.where),
        }
        for mark in marks
    ]


def technical_rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Compression, profile and the bytes after the end, as label and value."""
    file = facts.get("file") or {}
    rows = []
    if jpeg := file.get("jpeg"):
        words = {"quality": number_format(jpeg.get("quality", 0))}
        rows.append((_("JPEG compression"), file_words.TABLES[jpeg.get("tables", "other")] % words))
    if name := file.get("icc_name"):
        rows.append((_("Profile's name"), _isolated(str(name))))
    if kind := file.get("trailing_kind"):
        rows.append((_("After the image"), str(file_words.TRAILING.get(kind, kind))))
    return rows


def _rows(fields: dict[str, dict[str, str]], wanted: file_words.Labels) -> list[Row]:
    """The wanted fields that are there, each value once."""
    found, seen = [], set()
    for (group, name), label in wanted.items():
        value = str(fields[group].get(name, ""))
        if value and (label, value) not in seen:
            seen.add((label, value))
            found.append(Row(label, value, _OF_GROUP[group]))
    return found


def _steps(file: dict[str, Any]) -> list[Row]:
    """The editing history that XMP keeps, a row a step."""
    return [
        Row(
            gettext_lazy("Step"),
            " · ".join(
                str(step[key])
                for key in ("action", "softwareAgent", "when", "changed", "parameters")
                if step.get(key)
            ),
            "XMP",
        )
        for step in file.get("xmp_history") or []
    ]


def _others(fields: dict[str, dict[str, str]], dates: list[StatedDate]) -> list[Row]:
    shown = {
        *file_words.CAMERA_FIELDS,
        *file_words.EDITING_FIELDS,
        *file_words.RIGHTS_FIELDS,
        *((date.group, date.name) for date in dates),
        ("exif", "Orientation"),  # in words beside the dimensions
    }
    return [
        Row(str(name), str(value), _OF_GROUP[group])
        for group, values in fields.items()
        for name, value in values.items()
        if (group, name) not in shown
    ]


def _date_row(date: StatedDate) -> Row:
    return Row(file_words.DATE_LABELS[date.group, date.name], date.text, _OF_GROUP[date.group])


def _findings(
    facts: dict[str, Any], dates: list[StatedDate], file_name: str, received: datetime
) -> list[str]:
    file = facts.get("file") or {}
    found = [_contradiction(*one) for one in contradictions(dates, received)]
    ending = PurePath(file_name).suffix.lower()
    named, real = FORMAT_OF_ENDING.get(ending), str(facts.get("format", ""))
    real = _FORMAT_NAMES.get(real, real)
    if named and real and named != real:
        found.insert(
            0,
            _("The file's name ends in “%(ending)s”, but its content is %(format)s.")
            % {"ending": _isolated(ending), "format": _isolated(real)},
        )
    if problem := file.get("xmp_problem"):
        found.append(str(file_words.XMP_PROBLEMS.get(problem, file_words.XMP_PROBLEMS["damaged"])))
    if file.get("iptc_damaged"):
        found.append(_("The IPTC block is damaged; what could be read of it is shown."))
    return found


def _contradiction(kind: str, date: StatedDate, other: StatedDate | None) -> str:
    words = {"date": _said(date), "other": _said(other) if other else ""}
    return file_words.CONTRADICTIONS[kind] % words


def _said(date: StatedDate) -> str:
    label = f"{_OF_GROUP[date.group]}: {file_words.DATE_LABELS[date.group, date.name]}"
    return f"{date_format(date.moment, 'DATE_FORMAT')} ({label})" if date.moment else label


def _position(facts: dict[str, Any]) -> Position | None:
    gps = (facts.get("metadata") or {}).get("gps") or {}
    try:
        latitude, longitude = float(gps["latitude"]), float(gps["longitude"])
    except (KeyError, TypeError, ValueError):
        return None
    return Position(
        latitude=f"{latitude:.6f}",
        longitude=f"{longitude:.6f}",
        x=f"{longitude + 180:.2f}",
        y=f"{90 - latitude:.2f}",
    )


def _thumbnail(file: dict[str, Any]) -> Thumbnail | None:
    if not (found := file.get("thumbnail")):
        return None
    differs = found.get("differs", "")
    return Thumbnail(file_words.THUMBNAIL[differs], bool(differs))


def _credentials(file: dict[str, Any]) -> Credentials:
    found = file.get("credentials") or {}
    state = found.get("state", "unreadable" if file.get("has_credentials") else "none")
    if state == "none" and (file.get("xmp") or {}).get("dcterms:provenance"):
        state = "elsewhere"
    words = {"signer": _isolated(found.get("signer") or found.get("signer_name") or "?")}
    tone, title, sentence = file_words.CREDENTIALS.get(state, file_words.CREDENTIALS["unreadable"])
    sentences: list[Text] = [str(sentence) % words]
    sentences += [_failure(code) for code in found.get("failures") or []]
    if state in ("trusted", "valid", "invalid"):
        sentences.append(file_words.REVOCATION)
    return Credentials(tone, title, sentences, _credential_rows(found))


def _failure(code: str) -> str:
    sentence = file_words.CREDENTIAL_FAILURES.get(code)
    return str(sentence) if sentence else _("Failed: %(code)s.") % {"code": _isolated(code)}


def _credential_rows(found: dict[str, Any]) -> list[Row]:
    signer = " · ".join(part for part in (found.get("signer"), found.get("signer_name")) if part)
    rows = [
        Row(_("Signed by"), signer),
        Row(_("Signed at"), found.get("time") or (_("not stated") if signer else "")),
        Row(_("Made with"), found.get("generator", "")),
        Row(_("Title"), found.get("title", "")),
        *(Row(_("Action"), _action(one)) for one in found.get("actions") or []),
        *(Row(_("Made from"), _joined(one)) for one in found.get("ingredients") or []),
    ]
    return [row for row in rows if row.value]


def _action(action: dict[str, str]) -> str:
    code = action.get("action", "")
    return _joined({**action, "action": str(file_words.ACTIONS.get(code, code))}, "source_type")


def _joined(part: dict[str, Any], *last: str) -> str:
    names = [*(name for name in part if name not in last), *last]
    return " · ".join(str(part[name]) for name in names if part.get(name))


def _quoted(text: str) -> str:
    return f"“{_isolated(text)}”" if text else ""


def _isolated(text: str) -> str:
    """Text of the file that cannot change the direction of what stands around it."""
    return f"\u2068{text}\u2069"
