"""A detection in sentences: verdict, number, reasons and limits always together."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from detection import words
from detection.models import Detection


@dataclass(frozen=True)
class VerdictCard:
    """What a page says about one finished detection; the template only lays it out.

    Attributes:
        tone: authentic, manipulated, inconclusive, failed or waiting; chooses icon and colour.
        percent: calibrated P(fake) in percent, 0 to 100; None where nothing was scored.
        low, high: the two cuts in percent, between which the desk says that it cannot tell.
        reasons: why it cannot tell, in sentences.
        notes: what else was found about the file, in sentences.
    """

    tone: str
    title: str | Promise
    meaning: str | Promise
    percent: float | None
    low: float | None
    high: float | None
    reasons: list[str]
    notes: list[str]
    stability: list[tuple[str, float]]


TONES = {
    Detection.Verdict.LIKELY_AUTHENTIC: "authentic",
    Detection.Verdict.LIKELY_MANIPULATED: "manipulated",
    Detection.Verdict.INCONCLUSIVE: "inconclusive",
}


def verdict_card(detection: Detection) -> VerdictCard:
    """Put a detection into words, in the reader's language."""
    point = detection.model_version.operating_point
    low, high = (_percent(point.get(cut)) for cut in ("authentic_below", "manipulated_from"))
    return VerdictCard(
        tone=_tone(detection),
        title=_title(detection),
        meaning=_meaning(detection),
        percent=_percent(detection.probability),
        low=low,
        high=high,
        reasons=_reasons(detection),
        notes=file_notes(detection.image.facts),
        stability=[(name, 100 * p) for name, p in detection.transforms.items()],
    )


def file_notes(facts: dict[str, object]) -> list[str]:
    """What decoding found that a reader should know, in sentences."""
    notes = []
    frames, trailing = facts.get("frames", 1), facts.get("trailing_bytes", 0)
    if isinstance(frames, int) and frames > 1:
        notes.append(
            _("The file holds %(count)s frames; frame 1 of %(count)s was judged.")
            % {"count": frames}
        )
    if facts.get("has_transparency"):
        notes.append(words.reason_sentence("transparency"))
    if isinstance(trailing, int) and trailing > 0:
        notes.append(
            ngettext(
                "%(count)s byte follows the end of the image.",
                "%(count)s bytes follow the end of the image.",
                trailing,
            )
            % {"count": trailing}
        )
    return notes


def _tone(detection: Detection) -> str:
    if detection.status == Detection.Status.FAILED:
        return "failed"
    return TONES.get(Detection.Verdict(detection.verdict), "") if detection.verdict else "waiting"


def _title(detection: Detection) -> str | Promise:
    if detection.status == Detection.Status.FAILED:
        return words.NOT_JUDGED
    if detection.verdict:
        return Detection.Verdict(detection.verdict).label
    return _("Being checked…")


def _meaning(detection: Detection) -> str | Promise:
    if detection.status == Detection.Status.FAILED:
        return words.failure_sentence(detection.failure_code)
    return words.VERDICT_MEANINGS.get(detection.verdict, "")


def _reasons(detection: Detection) -> list[str]:
    if detection.verdict != Detection.Verdict.INCONCLUSIVE:
        return []
    if detection.reasons:
        return [words.reason_sentence(code) for code in detection.reasons]
    return [_("The signs are too weak either way to decide at the accuracy this desk promises.")]


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)
