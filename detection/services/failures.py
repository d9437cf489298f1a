"""Detections that failed: listed for whoever runs the desk, and queued again, one or many."""

from dataclasses import dataclass

from django.db.models import Count

from accounts.models import User
from detection.models import Detection, HistoryRow, Image, Submission
from detection.models.history import HistoryRowQuerySet
from detection.paging import page
from detection.services.submission import MENDED_BY_UPLOAD
from detection.services.waiting import retry_detection

PAGE_SIZE = 20
COUNTED_TO = 10_000  # of the latest; what failed before is not asked for its code
MOST_AT_ONCE = 200  # queued again by one order: they wait in the queues that people wait in
# Another try may help: the moment's failures, and a lost original that an operator put back.
WORTH_RETRYING = MENDED_BY_UPLOAD


@dataclass(frozen=True)
class FailedRow:
    """One failed detection, for one reader.

    Attributes:
        is_visible: the reader may see the image.
        file_name: of the latest request for it; empty where the reader may not see the image.
    """

    detection: Detection
    is_visible: bool
    file_name: str

    @property
    def is_worth_retrying(self) -> bool:
        return self.detection.failure_code in WORTH_RETRYING


@dataclass(frozen=True)
class FailedPage:
    rows: list[FailedRow]
    next_cursor: str


@dataclass(frozen=True)
class FailedCode:
    """How many of the latest failures have this code."""

    code: str
    count: int

    @property
    def is_worth_retrying(self) -> bool:
        return self.code in WORTH_RETRYING


def failed_page(*, by: User, code: str = "", cursor: str = "") -> FailedPage:
    """One page of what failed, received last first; of all codes, or of one."""
    found = page(_failed(code), cursor=cursor, size=PAGE_SIZE)
    ids = [row.pk for row in found.rows]
    detections = Detection.objects.select_related("model_version").in_bulk(ids)
    seen = Image.objects.seen_by(by, (row.image_id for row in detections.values()))
    visible = {pk for pk, row in detections.items() if row.image_id in seen}
    sent = Submission.objects.filter(detection__in=visible).order_by("created_at")
    names = dict(sent.values_list("detection", "file_name"))
    rows = [FailedRow(detections[pk], pk in visible, names.get(pk, "")) for pk in ids]
    return FailedPage(rows, found.next_cursor)


def failed_codes() -> list[FailedCode]:
    """The codes among the latest `COUNTED_TO` failures, the most frequent first."""
    latest = HistoryRow.objects.failed().newest_first().values("pk")[:COUNTED_TO]
    rows = Detection.objects.filter(pk__in=latest).exclude(failure_code="")
    counted = rows.values("failure_code").annotate(n=Count("pk")).order_by("-n", "failure_code")
    return [FailedCode(row["failure_code"], row["n"]) for row in counted]


def retry_failed(*, by: User, code: str, at_most: int) -> int:
    """Queue again what failed with this code, received first first; says how many.

    Raises:
        ValueError: another try mends no such failure, or `at_most` is not 1 to `MOST_AT_ONCE`.
    """
    if code not in WORTH_RETRYING or not 1 <= at_most <= MOST_AT_ONCE:
        raise ValueError(f"a code worth retrying, and 1 to {MOST_AT_ONCE}")
    oldest = _failed(code).order_by("created_at", "pk").values_list("pk", flat=True)[:at_most]
    rows = Detection.objects.filter(pk__in=list(oldest)).select_related("image__owner")
    return sum(retry_detection(by=by, detection=row) for row in rows.order_by("queued_at"))


def _failed(code: str) -> HistoryRowQuerySet:
    rows = HistoryRow.objects.failed()
    return rows.filter(detection__failure_code=code) if code else rows
