"""Whether a report is what this desk issued, and what became of it since."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from client import report_file
from detection.models import Detection, Report
from detection.reports.keys import known_keys
from detection.services.reviewed import decided_at

CURRENT, SUPERSEDED, REVOKED, ERASED = "current", "superseded", "revoked", "erased"
STATES = (CURRENT, SUPERSEDED, REVOKED, ERASED)
LATER_MODEL, LATER_REVIEW = "later_model", "later_review"
REVIEW_WITHDRAWN = "review_withdrawn"
REASONS = (LATER_REVIEW, REVIEW_WITHDRAWN, LATER_MODEL)
NOT_ISSUED = "not_issued"


@dataclass(frozen=True)
class Standing:
    """What became of a report since it was issued.

    Attributes:
        state: one of `STATES`.
        because: what superseded it, such as `later_model`; empty otherwise.
    """

    state: str
    because: str = ""


@dataclass(frozen=True)
class Examined:
    """What a file is to this desk.

    Attributes:
        result: one of `STATES`, or `altered`, `unknown_key`, `no_report`; `not_issued` where the
            signature is ours and the record is not.
        report: the record of it; None where there is none.
    """

    result: str
    because: str = ""
    report: Report | None = None


def examine(data: bytes) -> Examined:
    """Check the bytes of a file, of which nothing is kept."""
    checked = report_file.check(data, known_keys())
    if checked.result != report_file.INTACT:
        return Examined(checked.result)
    report = issued_as(checked.statement["report"], checked.sha256)
    if report is None:
        return Examined(NOT_ISSUED)
    standing = standing_of(report)
    return Examined(standing.state, standing.because, report)


def issued_as(report_id: uuid.UUID | str, sha256: str) -> Report | None:
    """The report with this id, for somebody who has one of its files: by the file's SHA-256."""
    rows = Report.objects.select_related("detection__image", "key")
    report = rows.filter(pk=report_id).first()
    return report if report is not None and report.is_file(sha256) else None


def standing_of(report: Report) -> Standing:
    """What became of it; its detection and image come with it."""
    return next((found for check in CHECKS if (found := check(report))), Standing(CURRENT))


def _if_erased(report: Report) -> Standing | None:
    return Standing(ERASED) if report.detection.image.erased_at else None


def _if_revoked(report: Report) -> Standing | None:
    return Standing(REVOKED) if report.revoked_at else None


def _if_reviewed_since(report: Report) -> Standing | None:
    """A report tells of the review that stood when it was issued, or that there was none."""
    stands = decided_at(report.detection.image_id)
    if stands == report.reviewed_at:
        return None
    return Standing(SUPERSEDED, LATER_REVIEW if stands else REVIEW_WITHDRAWN)


def _if_judged_again(report: Report) -> Standing | None:
    later = Detection.objects.filter(
        image_id=report.detection.image_id,
        status=Detection.Status.DONE,
        completed_at__gt=report.detection.completed_at,
    ).exclude(pk=report.detection_id)
    return Standing(SUPERSEDED, LATER_MODEL) if later.exists() else None


# The first that applies counts. Whatever else can overtake a verdict belongs here.
CHECKS: tuple[Callable[[Report], Standing | None], ...] = (
    _if_erased,
    _if_revoked,
    _if_reviewed_since,
    _if_judged_again,
)
