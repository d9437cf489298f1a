"""Sections of a report that are there only where something was found: copies, layers."""

from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from detection.figures import figures
from detection.models import Detection
from detection.presentation import cuts, decisive_probability
from detection.reports.copies import Copies
from detection.reports.pictures import Picture
from detection.reports.texts import left_to_right
from detection.services.seen_before import Match
from detection.sightings import KINDS

NO_NUMBER = "–"


def copies_section(copies: Copies | None) -> dict[str, Any]:
    """The words of the page about what was seen before."""
    if copies is None:
        return {}
    called = ", ".join(f"“{Detection.Verdict(verdict).label}”" for verdict in copies.verdicts)
    said = _("The same picture was called:")
    paragraphs = [
        f"{_('The verdicts disagree.')} {said} {called}. {_('Trust none of them alone.')}",
        _("Listed are other files of the same picture from the same person."),
    ]
    if copies.left_out:
        count = number_format(copies.left_out, force_grouping=True)
        paragraphs.append(_("More copies are left out: %(count)s.") % {"count": count})
    return {
        "name": "copies",
        "title": _("Other copies of the same picture"),
        "paragraphs": paragraphs,
        "table": {
            "head": [_("Copy"), _("Received"), _("Probability"), _("Verdict")],
            "rows": [_row(match) for match in copies.listed],
            "widths": [4, 3, 2, 3],
        },
    }


def copies_facts(copies: Copies | None) -> list[dict[str, Any]]:
    """For machines; which images they are is nobody's business outside."""
    return [
        {
            "distance": match.distance,
            "judged_at": match.detection.completed_at.isoformat()
            if match.detection.completed_at
            else None,
            "kind": str(match.kind),
            "probability": match.detection.probability,
            "verdict": match.detection.verdict,
        }
        for match in (copies.listed if copies else [])
    ]


def layers_section(pictures: list[Picture]) -> dict[str, Any]:
    if not pictures:
        return {}
    return {
        "name": "layers",
        "title": _("Layers of evidence"),
        "paragraphs": [
            _(
                "These were drawn from the pixels before this report was issued, and are shown"
                " smaller here. None of them is part of the verdict, and each can mislead."
            )
        ],
    }


def _row(match: Match) -> list[str]:
    row = match.detection
    number = figures(decisive_probability(row), *cuts(row)).probability
    return [
        str(KINDS[match.kind]),
        left_to_right(f"{row.image.created_at:%Y-%m-%d %H:%M} UTC"),
        left_to_right(number) if number else NO_NUMBER,
        str(Detection.Verdict(row.verdict).label),
    ]
