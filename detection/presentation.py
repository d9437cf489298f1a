"""A detection in sentences: verdict, number, reasons and limits always together."""

from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from detection import words
from detection.figures import Figures, figures, percent
from detection.limits import in_a_hundred, limit_beside, model_limits
from detection.models import Detection, Image

MEGAPIXEL = 1_000_000


@dataclass(frozen=True)
class Resaved:
    """The answer for one mildly altered copy of the picture."""

    name: str | Promise
    probability: str
    verdict: str | Promise
    tone: str
    is_same: bool


@dataclass(frozen=True)
class VerdictCard:
    """What a page says about one detection; the template only lays it out.

    Attributes:
        tone: authentic, manipulated, inconclusive, failed or waiting; chooses icon and colour.
        figures: calibrated P(fake) and the cuts between which the desk says it cannot tell.
        odds: the number once more, in images; empty where it decided nothing.
        reasons: why it cannot tell, in sentences.
        overruled: what the number alone would have said, where a reason speaks against deciding.
        notes: what else was found about the file, in sentences.
        limit: how often the model is wrong when it says just this; empty if nobody measured it.
        limits: everything that was measured about the model, in sentences.
    """

    tone: str
    title: str | Promise
    meaning: str | Promise
    figures: Figures
    odds: str
    reasons: list[str]
    overruled: str | Promise
    notes: list[str]
    stability: list[Resaved]
    limit: str
    limits: list[str]

    @property
    def is_stable(self) -> bool:
        """Whether every re-saved copy got the same answer."""
        return all(copy.is_same for copy in self.stability)


TONES: dict[str, str] = {
    Detection.Verdict.LIKELY_AUTHENTIC: "authentic",
    Detection.Verdict.LIKELY_MANIPULATED: "manipulated",
    Detection.Verdict.INCONCLUSIVE: "inconclusive",
}


def verdict_card(detection: Detection) -> VerdictCard:
    """Put a detection into words, in the reader's language."""
    reasons, limits = _reasons(detection), model_limits(detection.model_version)
    return VerdictCard(
        tone=_tone(detection),
        title=_title(detection),
        meaning=_meaning(detection),
        figures=figures(detection.probability, *cuts(detection)),
        odds=_odds(detection),
        reasons=reasons,
        overruled=_overruled(detection),
        notes=[note for note in file_notes(detection.image.facts) if note not in reasons],
        stability=_stability(detection),
        limit=limit_beside(detection.verdict, limits),
        limits=list(limits.values()),
    )


def file_notes(facts: dict[str, Any]) -> list[str]:
    """What decoding found that a reader should know, in sentences."""
    notes = []
    frames, trailing = facts.get("frames", 1), facts.get("trailing_bytes", 0)
    if frames > 1:
        notes.append(
            _("The file holds %(count)s frames; frame 1 of %(count)s was judged.")
            % {"count": number_format(frames)}
        )
    if facts.get("has_transparency"):
        notes.append(words.reason_sentence("transparency"))
    if trailing > 0:
        notes.append(
            ngettext(
                "%(count)s byte follows the end of the image.",
                "%(count)s bytes follow the end of the image.",
                trailing,
            )
            % {"count": number_format(trailing, force_grouping=True)}
        )
    if facts.get("metadata", {}).get("exif_damaged"):
        notes.append(_("Some of the metadata is damaged and could not be read."))
    return notes


def file_facts(image: Image) -> list[tuple[str, str]]:
    """The file in a few rows: label and value."""
    facts = image.facts
    width, height = facts.get("width", image.width), facts.get("height", image.height)
    rows = [
        (_("Format"), str(facts.get("format", image.format))),
        (_("Dimensions"), _dimensions(width, height)),
        (_("Size"), filesizeformat(image.size_bytes)),
    ]
    if not facts:
        return rows
    rows.append((_("Pixels stored as"), _pixels(facts)))
    profile = _("yes, applied") if facts.get("icc") else _("none")
    rows.append((_("Colour profile"), profile))
    if facts.get("orientation", 1) != 1:
        rows.append((_("Orientation"), _("turned as the camera recorded")))
    return rows


def _tone(detection: Detection) -> str:
    if detection.status == Detection.Status.FAILED:
        return "failed"
    return TONES.get(detection.verdict, "waiting")


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


def _odds(detection: Detection) -> str:
    if detection.probability is None or detection.reasons:  # a reason outweighs the number
        return ""
    return in_a_hundred(detection.probability, detection.model_version)


def _overruled(detection: Detection) -> str | Promise:
    low, high = cuts(detection)
    if not detection.reasons or detection.probability is None or low is None or high is None:
        return ""
    side = Detection.Verdict(side_of(detection.probability, low, high))
    return "" if side == detection.verdict else side.label


def cuts(detection: Detection) -> tuple[float | None, float | None]:
    """Below which probability it is called authentic, and from which manipulated."""
    point = detection.model_version.operating_point
    return point.get("authentic_below"), point.get("manipulated_from")


def _stability(detection: Detection) -> list[Resaved]:
    low, high = cuts(detection)
    if detection.probability is None or low is None or high is None:
        return []
    own = side_of(detection.probability, low, high)
    return [_resaved(name, p, own, low, high) for name, p in detection.transforms.items()]


def _resaved(name: str, probability: float, own: str, low: float, high: float) -> Resaved:
    verdict = side_of(probability, low, high)
    return Resaved(
        name=words.TRANSFORMS.get(name, name),
        probability=percent(probability),
        verdict=Detection.Verdict(verdict).label,
        tone=TONES[verdict],
        is_same=verdict == own,
    )


def side_of(probability: float, low: float, high: float) -> str:
    """The verdict of the recorded cuts alone: on which side a re-saved copy or a face falls."""
    if probability >= high:
        return Detection.Verdict.LIKELY_MANIPULATED
    return (
        Detection.Verdict.LIKELY_AUTHENTIC if probability < low else Detection.Verdict.INCONCLUSIVE
    )


def _dimensions(width: int, height: int) -> str:
    size = _isolated(f"{width} × {height}")
    if width * height < MEGAPIXEL:
        return _("%(size)s pixels") % {"size": size}
    megapixels = number_format(width * height / MEGAPIXEL, 1)
    return _("%(size)s pixels (%(megapixels)s megapixels)") % {
        "size": size,
        "megapixels": megapixels,
    }


def _pixels(facts: dict[str, Any]) -> str:
    return _("%(mode)s, %(bits)s bits a channel") % {
        "mode": _isolated(str(facts.get("mode", "?"))),
        "bits": facts.get("bits", 8),
    }


def _isolated(text: str) -> str:
    """Text that runs from left to right in Arabic too, without moving what stands around it."""
    return f"\u2066{text}\u2069"
