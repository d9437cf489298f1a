"""The history as a table to take along, row by row as it is read."""

import csv
import io
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from django.db import transaction
from django.urls import reverse

from accounts import audit
from accounts.models import User
from detection import history
from detection.file_marks import plainest_kind
from detection.history import Asked
from detection.models import Case, Detection, Image, ImageTag, Submission
from detection.stated_reasons import stated_reasons

MAX_ROWS = 50_000
BATCH = 500
COLUMNS = (
    "id",
    "file_name",
    "sha256",
    "received",
    "person",
    "status",
    "verdict",
    "probability",
    "reasons",
    "file_says",
    "model",
    "tags",
    "cases",
    "link",
)
# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# At the end of a file that is not all there is.
ENDED = "INCOMPLETE: your access ended while this file was made"
CUT = f"INCOMPLETE: only the first {MAX_ROWS} rows are in this file"


@dataclass(frozen=True)
class Export:
    """What somebody takes along.

    Attributes:
        chosen: ids of the rows they picked; None for all that fit.
        may_go_on: asked before each part; who lost their access gets no more.
        origin: the address of this desk, for links.
    """

    by: User
    asked: Asked
    may_go_on: Callable[[], bool]
    origin: str
    chosen: list[uuid.UUID] | None = None

    def record(self, query: str) -> None:
        """That it was made, before anybody has it."""
        rows = len(self.chosen) if self.chosen is not None else self._rows()
        # what somebody typed may name a person: kept apart
        after = {"rows": rows, "is_picked": self.chosen is not None, "is_cut": rows > MAX_ROWS}
        with transaction.atomic():
            audit.record(
                "detections.exported",
                actor=self.by,
                target=self.by,
                owner=self.by,
                after=after,
                detail={"filter": unquote_plus(query)} if query else None,
            )

    def _rows(self) -> int:
        return history.count(self.by, self.asked, up_to=MAX_ROWS)

    def csv(self) -> Iterator[str]:
        yield "\ufeff" + _line(COLUMNS)
        for row in self._shown():
            if isinstance(row, str):
                yield _line([row])
            else:
                yield _line([_cell(row[name]) for name in COLUMNS])

    def json(self) -> Iterator[str]:
        yield '{"rows": ['
        separator, incomplete = "\n", ""
        for row in self._shown():
            if isinstance(row, str):
                incomplete = row
                continue
            yield separator + json.dumps(row, ensure_ascii=False)
            separator = ",\n"
        yield f'\n], "incomplete": {json.dumps(incomplete)}}}\n'

    def _shown(self) -> Iterator[dict[str, Any] | str]:
        """Rows; and last, where not all are there, why."""
        done, cursor = 0, ""
        while True:
            if not self.may_go_on():
                yield ENDED
                return
            ids, cursor = self._part(cursor)
            rows = history.detections(self.by, ids)
            yield from _rows(self.by, rows[: MAX_ROWS - done], self.origin)
            done += len(rows)
            if not cursor:
                return
            if done >= MAX_ROWS:
                yield CUT
                return

    def _part(self, cursor: str) -> tuple[list[uuid.UUID], str]:
        if self.chosen is not None:
            return self.chosen, ""
        found = history.find(self.by, self.asked, cursor=cursor, size=BATCH)
        return found.ids, found.next_cursor


def file_names(rows: list[Detection], user: User) -> dict[uuid.UUID, str]:
    """What the latest submission that this person may see calls each detection's file.

    What was judged again was not submitted again: it is called as its image is.
    """
    told = _told("detection", {row.pk for row in rows}, user)
    again = [row for row in rows if row.judged_before_id and row.pk not in told]
    names = _told("image", {row.image_id for row in again}, user)
    return told | {row.pk: names[row.image_id] for row in again if row.image_id in names}


def _told(about: str, ids: set[uuid.UUID], user: User) -> dict[uuid.UUID, str]:
    """The latest names of files, by detections or images.

    Whose they are is asked here: told of a person, SQLite without statistics reads all of theirs.
    """
    if not ids:
        return {}
    rows = Submission.objects.filter(**{f"{about}__in": ids}).order_by("created_at")
    found = rows.values_list(f"{about}_id", "file_name", "by_id")
    return {pk: name for pk, name, by in found if user.is_reviewer or by == user.pk}


def tags_of(rows: list[Detection]) -> dict[uuid.UUID, list[str]]:
    """The tags of each image, in order."""
    found: dict[uuid.UUID, list[str]] = {}
    tagged = ImageTag.objects.filter(image__in=[row.image_id for row in rows])
    for image, name in tagged.order_by("tag__key").values_list("image_id", "tag__key"):
        found.setdefault(image, []).append(name)
    return found


def _cases_of(rows: list[Detection], user: User) -> dict[uuid.UUID, list[str]]:
    found: dict[uuid.UUID, list[str]] = {}
    entries = Image.cases.through.objects.filter(
        image__in=[row.image_id for row in rows], case__in=Case.objects.visible_to(user)
    )
    for image, title in entries.order_by("case__title").values_list("image_id", "case__title"):
        found.setdefault(image, []).append(title)
    return found


def _rows(by: User, rows: list[Detection], origin: str) -> Iterator[dict[str, Any]]:
    names, tags, cases = file_names(rows, by), tags_of(rows), _cases_of(rows, by)
    for row in rows:
        version = row.model_version
        yield {
            "id": str(row.pk),
            "file_name": names.get(row.pk, ""),
            "sha256": row.image.sha256,
            "received": row.created_at.isoformat(),
            "person": str(row.image.owner),
            "status": row.status,
            "verdict": row.verdict,
            "probability": row.probability,
            "reasons": stated_reasons(row) or ([row.failure_code] if row.failure_code else []),
            "file_says": plainest_kind(row.image.facts),
            "model": f"{version.name} {version.version}",
            "tags": tags.get(row.image_id, []),
            "cases": cases.get(row.image_id, []),
            "link": origin + reverse("detection", args=[row.pk]),
        }


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6f}"
    text = "; ".join(value) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _line(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()
