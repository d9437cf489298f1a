"""Reports as pages show them: which were issued, whether they still stand, who else sees them."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.utils.functional import Promise
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection.models import Detection, Outcome, Report, ReportLink
from detection.services import report_links
from detection.services.report_checks import (
    CURRENT,
    ERASED,
    LATER_MODEL,
    LATER_REVIEW,
    NOT_ISSUED,
    REVIEW_WITHDRAWN,
    REVOKED,
    SUPERSEDED,
    Standing,
    standing_of,
)
from detection.services.reports import may_revoke
from detection.services.reviewed import reviews_of, reviews_shown_to

MOST_SHOWN = 20
SECTION = {
    "reports": [],
    "can_report": False,
    "may_share": False,
    "report_languages": settings.LANGUAGES,
    "link_lives": ReportLink.Life.choices,
}

# What a file is, in a word and a sentence; the tone chooses colour and icon, never alone.
RESULTS: dict[str, tuple[str, str | Promise, str | Promise]] = {
    CURRENT: (
        "authentic",
        _("Intact"),
        _("This desk issued this file, no byte of it was changed since, and it still stands."),
    ),
    SUPERSEDED: (
        "inconclusive",
        _("Intact, but superseded"),
        _("No byte was changed since this desk issued the file, but it is not the last word."),
    ),
    REVOKED: (
        "failed",
        _("Intact, but revoked"),
        _("No byte was changed, but this desk has revoked the report: do not rely on it."),
    ),
    ERASED: (
        "failed",
        _("Intact; the image was erased"),
        _("No byte was changed. The image was erased since, so the desk can say no more about it."),
    ),
    "altered": (
        "manipulated",
        _("Altered"),
        _("The file is not as it was issued: bytes were changed, added or taken away."),
    ),
    "unknown_key": (
        "inconclusive",
        _("Unknown key"),
        _("The file is whole, but it was signed with a key that is none of this desk’s."),
    ),
    NOT_ISSUED: (
        "manipulated",
        _("Not issued here"),
        _("The signature is this desk’s, but the desk has no record of this file. Distrust it."),
    ),
    "no_report": (
        "failed",
        _("No report"),
        _("This file is no report of this kind. Prints and screenshots cannot be checked."),
    ),
}
BECAUSE: dict[str, str | Promise] = {
    LATER_MODEL: _("A later version of the model has judged the same image since."),
    LATER_REVIEW: _("A reviewer has decided about the image since."),
    REVIEW_WITHDRAWN: _("The reviewer’s decision that it tells of was taken back since."),
}


def because_of(
    standing: Standing, report: Report | None, by: User | AnonymousUser
) -> str | Promise:
    """What superseded a report; of a reviewer, what they say: whoever has it relies on it.

    A reviewer who may still decide about the image is not told.
    """
    if standing.because == LATER_REVIEW and report is not None:
        image_id = report.detection.image_id
        known = reviews_shown_to(by, [image_id]) if isinstance(by, User) else reviews_of([image_id])
        if review := known.get(image_id):
            return gettext("A reviewer has decided about the image since: %(outcome)s.") % {
                "outcome": Outcome(review.outcome).label
            }
    return BECAUSE.get(standing.because, "")


@dataclass(frozen=True)
class LinkRow:
    """A link that is open, in the list of a report."""

    link: ReportLink
    may_revoke: bool


@dataclass(frozen=True)
class ReportRow:
    """A report in the list of its detection."""

    report: Report
    standing: Standing
    tone: str
    word: str | Promise
    because: str | Promise
    links: list[LinkRow]
    may_revoke: bool

    @property
    def can_be_shared(self) -> bool:
        return self.report.revoked_at is None and self.report.removed_at is None


def report_section(detection: Detection, user: User) -> dict[str, object]:
    """What the section of the detection's page shows."""
    if detection.status != Detection.Status.DONE:
        return SECTION
    rows = Report.objects.filter(detection=detection).select_related("detection__image")
    shown = rows.prefetch_related("links")[:MOST_SHOWN]
    return {
        **SECTION,
        "report_once": uuid.uuid4().hex,
        "can_report": True,
        "may_share": report_links.may_share(user, detection.image),
        "reports": report_rows(shown, user),
        "report_language": get_language(),
    }


def report_rows(reports: Iterable[Report], user: User) -> list[ReportRow]:
    """Rows in the given order, as this person may see them."""
    return [_row(report, user) for report in reports]


def _row(report: Report, user: User) -> ReportRow:
    standing = standing_of(report)
    may = may_revoke(user, report)
    return ReportRow(
        report=report,
        standing=standing,
        tone=RESULTS[standing.state][0],
        word=RESULTS[standing.state][1],
        because=BECAUSE.get(standing.because, ""),
        links=[
            LinkRow(link, may or link.by_id == user.pk)
            for link in report.links.all()
            if not link.has_ended
        ],
        may_revoke=may and report.revoked_at is None,
    )
