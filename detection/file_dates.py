"""The dates that a file states about itself, and whether they can all be true."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# Clocks of cameras run in local time, often without saying which; dates come without a time.
SLACK = timedelta(hours=26)
TAKEN, CHANGED = "taken", "changed"

_DATE = re.compile(
    r"\s*(\d{4})[:\-]?(\d\d)[:\-]?(\d\d)"
    r"(?:[T ]+(\d\d):?(\d\d)(?::?(\d\d))?(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?)?"
)
_FIELDS: tuple[tuple[str, str, str, str], ...] = (
    ("exif", "DateTimeOriginal", "OffsetTimeOriginal", TAKEN),
    ("exif", "DateTimeDigitized", "OffsetTimeDigitized", TAKEN),
    ("exif", "GPSDateTime", "", TAKEN),
    ("xmp", "exif:DateTimeOriginal", "", TAKEN),
    ("xmp", "photoshop:DateCreated", "", TAKEN),
    ("xmp", "xmp:CreateDate", "", TAKEN),
    ("iptc", "DateCreated", "TimeCreated", TAKEN),
    ("iptc", "DigitalCreationDate", "DigitalCreationTime", TAKEN),
    ("exif", "DateTime", "OffsetTime", CHANGED),
    ("xmp", "xmp:ModifyDate", "", CHANGED),
    ("xmp", "xmp:MetadataDate", "", CHANGED),
)


@dataclass(frozen=True)
class StatedDate:
    """One date as the file states it; `moment` is None where it is no date."""

    group: str
    name: str
    kind: str
    text: str
    moment: datetime | None


def stated_dates(fields: dict[str, dict[str, str]]) -> list[StatedDate]:
    """Those that are there, the ones about the taking first."""
    return [
        StatedDate(group, name, kind, text, _moment(text))
        for group, name, beside, kind in _FIELDS
        if (text := _text(fields.get(group, {}), name, beside))
    ]


def contradictions(
    dates: list[StatedDate], received: datetime
) -> list[tuple[str, StatedDate, StatedDate | None]]:
    """What cannot be true at once: (taken_apart | changed_before | in_future, dates).

    Differences of less than about a day are none: most dates do not say their time zone.
    """
    known = [(date.moment, date) for date in dates if date.moment]
    found: list[tuple[str, StatedDate, StatedDate | None]] = []
    taken = sorted([one for one in known if one[1].kind == TAKEN], key=lambda one: one[0])
    if taken and taken[-1][0] - taken[0][0] > SLACK:
        found.append(("taken_apart", taken[0][1], taken[-1][1]))
    changed = [one for one in known if one[1].kind == CHANGED]
    if taken and changed:
        last = max(changed, key=lambda one: one[0])
        if taken[0][0] - last[0] > SLACK:
            found.append(("changed_before", last[1], taken[0][1]))
    found += [("in_future", date, None) for moment, date in known if moment - received > SLACK][:1]
    return found


def _text(fields: dict[str, Any], name: str, beside: str) -> str:
    value, more = str(fields.get(name, "")).strip(), str(fields.get(beside, "")).strip()
    if beside.startswith("Offset"):
        return f"{value}{more}" if value else ""
    return f"{value} {more}".strip() if value else ""


def _moment(text: str) -> datetime | None:
    """UTC where no zone is stated, since two days apart are far apart in any."""
    if not (found := _DATE.match(text)):
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        return moment - _offset(found[7] or "Z")
    except (ValueError, OverflowError):
        return None


def _offset(zone: str) -> timedelta:
    if zone == "Z":
        return timedelta()
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -offset if zone[0] == "-" else offset
