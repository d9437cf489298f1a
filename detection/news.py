"""What people are told, in sentences: on the page and in mails."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import TextChoices
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from detection.models import CaseMember, Decision, Detection, Notice, Outcome
from detection.presentation import TONES
from detection.review_words import OUTCOME_TONES


@dataclass(frozen=True)
class NewsRow:
    """One notice.

    Attributes:
        tone: chooses icon and colour beside the words.
        title: what happened.
        says: what was decided, in words; empty where the image is confidential. Of a case, what
            one may do there.
        because: why, in sentences.
        address: within this desk; opening it marks the notice as seen.
    """

    notice: Notice
    tone: str
    title: str
    says: str
    because: tuple[str, ...]
    address: str
    file_name: str
    case_title: str


def news_rows(
    notices: Iterable[Notice], file_names: Mapping[uuid.UUID, str] | None = None
) -> list[NewsRow]:
    """In the given order; each with its detection and image.

    Args:
        file_names: as the reader knows the files, by detection; a mail names none, and no case.
    """
    return [_row(notice, file_names) for notice in notices]


def subject_of(notices: Sequence[Notice]) -> str:
    """Of a mail: what happened, never to which image, in which case nor what was decided."""
    if len(notices) == 1:
        return _title(notices[0])
    return ngettext(
        "%(count)s piece of news",
        "%(count)s pieces of news",
        len(notices),
    ) % {"count": len(notices)}


def _row(notice: Notice, file_names: Mapping[uuid.UUID, str] | None) -> NewsRow:
    detection, case = notice.detection, notice.case if file_names is not None else None
    is_secret = detection is not None and detection.image.is_confidential
    tone, says, because = ("waiting", "", ()) if is_secret else _said(notice)
    return NewsRow(
        notice=notice,
        tone=tone,
        title=_title(notice),
        says=says,
        because=because,
        address=reverse("notice", args=[notice.pk]),
        file_name=(file_names or {}).get(detection.pk, "") if detection else "",
        case_title=case.title if case else "",
    )


def _title(notice: Notice) -> str:
    titles = {
        Notice.Kind.REVIEW_COMPLETED: _("A reviewer has decided about an image"),
        Notice.Kind.REVIEW_WITHDRAWN: _("A reviewer’s decision was taken back"),
        Notice.Kind.JUDGED_AGAIN: _("A newer model judged an image otherwise"),
        Notice.Kind.CASE_SHARED: _("You were added to a case"),
    }
    if "was" in notice.about:
        return _("Your role in a case was changed")
    return titles[Notice.Kind(notice.kind)]


def _said(notice: Notice) -> tuple[str, str, tuple[str, ...]]:
    about = notice.about
    if notice.kind == Notice.Kind.REVIEW_COMPLETED:
        outcome = about.get("outcome", "")
        says = _("A reviewer says: %(outcome)s") % {"outcome": _label(Outcome, outcome)}
        because = tuple(_label(Decision.Reason, code) for code in about.get("reasons", ()))
        return OUTCOME_TONES.get(outcome, "waiting"), says, because
    if notice.kind == Notice.Kind.JUDGED_AGAIN:
        verdict = about.get("verdict", "")
        says = _("Before: %(before)s. Now: %(now)s.") % {
            "before": _label(Detection.Verdict, about.get("before", "")),
            "now": _label(Detection.Verdict, verdict),
        }
        return TONES.get(verdict, "waiting"), says, ()
    if notice.kind == Notice.Kind.CASE_SHARED:
        if about.get("role") == CaseMember.OWNER:
            return "waiting", _("It is yours now: you say who belongs to it, and close it."), ()
        if about.get("role") == CaseMember.Role.EDITOR:
            return "waiting", _("You may add images and notes to it."), ()
        return "waiting", _("You may read all of it, and change nothing."), ()
    return "waiting", _("It will be looked at again. Until then, the machine’s verdict stands."), ()


def _label(choices: type[TextChoices], code: str) -> str:
    """A code in words; itself where a later version of the desk does not know it."""
    return str(choices(code).label) if code in choices.values else code
