"""A detection in sentences: verdict, number, reasons and limits always together."""

from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from detection import file_words, words
from detection.expected_share import expectation
from detection.figures import Figures, Hundred, figures, of_a_hundred, percent, position
from detection.file_marks import plainest_kind
from detection.limits import in_a_hundred, limit_beside, model_limits, share_note, shift_note
from detection.models import Detection, Image

MEGAPIXEL = 1_000_000


@dataclass(frozen=True)
class Resaved:
    """The answer for one mildly altered copy of the picture.

    Attributes:
        position: where its probability lies on the scale, 0 to 100.
        start, length: of the line between it and where the picture itself lies.
    """

    name: str | Promise
    probability: str
    position: str
    start: str
    length: str
    verdict: str | Promise
    tone: str
    is_same: bool


@dataclass(frozen=True)
class VerdictCard:
    """What a page says about one detection; the template only lays it out.

    Attributes:
        tone: authentic, manipulated, inconclusive, failed or waiting; chooses icon and colour.
        flag: what the file itself says about having been generated, in short; mostly empty.
        figures: calibrated P(fake) and the cuts between which the desk says it cannot tell.
        is_number_decisive: whether the number decided, and not a reason that outweighs it.
        odds: the number once more, in images; empty where it decided nothing.
        odds_note: where the share that `odds` presumes comes from; empty beside empty odds.
        hundred: that number as squares.
        shift: why that is not the calibrated number, where the desk expects another share of fakes.
        reasons: why it says this, or why it cannot tell, in sentences.
        overruled: what the number alone would have said, where a reason speaks against deciding.
        notes: what else was found about the file, in sentences.
        limit: how often the model is wrong when it says just this; empty if nobody measured it.
        limits: everything that was measured about the model, in sentences.
        steps: what to do next.
    """

    tone: str
    title: str | Promise
    meaning: str | Promise
    flag: str | Promise
    figures: Figures
    is_number_decisive: bool
    odds: str
    odds_note: str
    hundred: Hundred | None
    shift: str
    reasons: list[str]
    overruled: str | Promise
    notes: list[str]
    stability: list[Resaved]
    limit: str
    limits: list[str]
    steps: tuple[str | Promise, ...]


TONES: dict[str, str] = {
    Detection.Verdict.LIKELY_AUTHENTIC: "authentic",
    Detection.Verdict.LIKELY_MANIPULATED: "manipulated",
    Detection.Verdict.INCONCLUSIVE: "inconclusive",
}


def verdict_card(detection: Detection, *, fake_share: float | None = None) -> VerdictCard:
    """Put a detection into words, in the reader's language.

    Args:
        fake_share: which share of all submitted images is expected to be fake; None for the share
            that the model's calibration presumes.
    """
    limits = model_limits(detection.model_version)
    shown = figures(detection.probability, *cuts(detection))
    stability = _stability(detection)
    reasons = _reasons(detection, shown) + _whether_it_holds(detection, stability)
    decisive = decisive_probability(detection)
    found = expectation(decisive, detection.model_version, fake_share)
    return VerdictCard(
        tone=_tone(detection),
        title=_title(detection),
        meaning=_meaning(detection),
        flag=file_words.MARK_FLAGS.get(plainest_kind(detection.image.facts), ""),
        figures=shown,
        is_number_decisive=decisive is not None,
        odds=in_a_hundred(found) if found else "",
        odds_note=share_note(found) if found else "",
        hundred=of_a_hundred(found.probability) if found else None,
        shift=shift_note(found, shown.probability or ""),
        reasons=reasons,
        overruled=_overruled(detection),
        notes=[note for note in file_notes(detection.image.facts) if note not in reasons],
        stability=stability,
        limit=limit_beside(detection.verdict, limits),
        limits=list(limits.values()),
        steps=words.NEXT_STEPS.get(detection.verdict, ()),
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


def _reasons(detection: Detection, shown: Figures) -> list[str]:
    if detection.reasons:
        return [words.reason_sentence(code) for code in detection.reasons]
    sentences = {
        Detection.Verdict.LIKELY_AUTHENTIC: _(
            "Its probability of %(p)s lies below the cut of %(low)s."
        ),
        Detection.Verdict.LIKELY_MANIPULATED: _(
            "Its probability of %(p)s lies at or above the cut of %(high)s."
        ),
        Detection.Verdict.INCONCLUSIVE: str(words.TOO_WEAK),
    }
    cut = {
        "p": shown.probability,
        "low": shown.authentic_below,
        "high": shown.manipulated_from,
    }
    reasons = [sentences[Detection.Verdict(detection.verdict)] % cut] if detection.verdict else []
    return reasons + _faces_with_signs(detection)


def _faces_with_signs(detection: Detection) -> list[str]:
    """How many of the faces show the signs by themselves, where that is what the verdict says."""
    _low, high = cuts(detection)
    if detection.verdict != Detection.Verdict.LIKELY_MANIPULATED or high is None:
        return []
    judged = [p for face in detection.faces if (p := face.get("probability")) is not None]
    signs = sum(p >= high for p in judged)
    if not signs:
        return []
    return [
        ngettext(
            "By itself, %(signs)s of %(count)s face in it shows such signs.",
            "By themselves, %(signs)s of %(count)s faces in it show such signs.",
            len(judged),
        )
        % {"signs": number_format(signs), "count": number_format(len(judged))}
    ]


def _whether_it_holds(detection: Detection, copies: list[Resaved]) -> list[str]:
    if not copies or "unstable" in detection.reasons:
        return []
    if all(copy.is_same for copy in copies):
        return [_("The answer stays the same when the picture is re-saved or reduced.")]
    if detection.verdict != Detection.Verdict.INCONCLUSIVE:
        return [_("It is close: a re-saved or reduced copy by itself would get “cannot tell”.")]
    return [_("Re-saved or reduced copies of the picture get different answers.")]


def _overruled(detection: Detection) -> str | Promise:
    low, high = cuts(detection)
    if not detection.reasons or detection.probability is None or low is None or high is None:
        return ""
    side = Detection.Verdict(side_of(detection.probability, low, high))
    return "" if side == detection.verdict else side.label


def decisive_probability(detection: Detection) -> float | None:
    """The number where it decided; None where a reason outweighed it, or where there is none."""
    return None if detection.reasons else detection.probability


def cuts(detection: Detection) -> tuple[float | None, float | None]:
    """Below which probability it is called authentic, and from which manipulated."""
    point = detection.model_version.operating_point
    return point.get("authentic_below"), point.get("manipulated_from")


def _stability(detection: Detection) -> list[Resaved]:
    low, high = cuts(detection)
    as_it_is = detection.probability
    if as_it_is is None or low is None or high is None:
        return []
    own = side_of(as_it_is, low, high)
    return [
        _resaved(name, p, as_it_is, side_of(p, low, high), own)
        for name, p in detection.transforms.items()
    ]


def _resaved(name: str, probability: float, as_it_is: float, verdict: str, own: str) -> Resaved:
    return Resaved(
        name=words.TRANSFORMS.get(name, name),
        probability=percent(probability),
        position=position(probability),
        start=position(min(probability, as_it_is)),
        length=position(abs(probability - as_it_is)),
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
