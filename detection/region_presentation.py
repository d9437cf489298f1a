"""Parts of an image in sentences, and which parts to offer."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from detection import detector, words
from detection.errors import Refused
from detection.figures import figures, percent
from detection.limits import limit_beside, model_limits
from detection.models import Detection, Region
from detection.models.region import Shares
from detection.presentation import TONES, cuts, side_of
from detection.screenshots import photograph_in
from detection.services import regions

# Side of the square around a face over the longer side of the face.
SURROUNDINGS = 2.5


@dataclass(frozen=True)
class RegionCard:
    """What a page says about one part.

    Attributes:
        place: where it lies, in words.
        answers: of the mildly altered copies, whether they got the same answer; may be empty.
        limit: how often the model is wrong about whole images when it says just this.
    """

    region: Region
    tone: str
    title: str | Promise
    meaning: str
    probability: str | None
    place: str
    reasons: list[str]
    answers: str
    limit: str
    can_retry: bool


@dataclass(frozen=True)
class Offer:
    """A part that one button asks for; `box` is left, top, width and height in percent."""

    box: dict[str, str]
    face: int = 0


@dataclass(frozen=True)
class Parts:
    """The section of the page.

    Attributes:
        cards: of the parts that were asked for, the first first.
        photograph: the photograph inside a screenshot, if there seems to be one.
        least: width and height, in percent, under which a part is too small.
        most: parts of one image.
    """

    cards: list[RegionCard]
    photograph: Offer | None
    faces: list[Offer]
    least: dict[str, str]
    most: int

    @property
    def has_room(self) -> bool:
        return len(self.cards) < self.most


def parts(detection: Detection) -> Parts | None:
    """The parts of a judged image; None where it is not judged."""
    if detection.status != Detection.Status.DONE:
        return None
    rows = list(detection.regions.with_detection().order_by("created_at", "pk"))
    known = {row.box_px for row in rows}
    least = regions.min_side_px(detection) + regions.BLOCK_PX - 1  # what blocks may cost
    width, height = detection.image.oriented_size
    return Parts(
        cards=[region_card(row) for row in rows],
        photograph=_offer(detection, photograph_in(detection.image), known),
        faces=list(_faces(detection, known)),
        most=regions.MOST_PER_DETECTION,
        least={
            "width": _percent(min(1, least / width)),
            "height": _percent(min(1, least / height)),
        },
    )


def region_card(region: Region) -> RegionCard:
    """Put one part into words, in the reader's language."""
    version = region.detection.model_version
    probability = region.probability
    return RegionCard(
        region=region,
        tone="failed" if region.failure_code else TONES.get(region.verdict, "waiting"),
        title=_title(region),
        meaning=words.failure_sentence(region.failure_code) if region.failure_code else "",
        probability=figures(probability, *cuts(region.detection)).probability,
        place=_place(region),
        reasons=_reasons(region),
        answers=_answers(region),
        limit=limit_beside(region.verdict, model_limits(version)),
        can_retry=region.failure_code in words.TRANSIENT_FAILURES,
    )


def _title(region: Region) -> str | Promise:
    if region.status == Region.Status.FAILED:
        return words.NOT_JUDGED
    return Region.Verdict(region.verdict).label if region.verdict else _("Being checked…")


def _place(region: Region) -> str:
    left, top = region.box[:2]
    return _("%(left)s from the left, %(top)s from the top, %(size)s pixels") % {
        "left": percent(left),
        "top": percent(top),
        "size": f"\u2066{region.width_px} × {region.height_px}\u2069",
    }


def _reasons(region: Region) -> list[str]:
    if region.verdict != Region.Verdict.INCONCLUSIVE:
        return []
    if region.reasons:
        return [words.reason_sentence(code) for code in region.reasons]
    return [str(words.TOO_WEAK)]


def _answers(region: Region) -> str:
    low, high = cuts(region.detection)
    if region.probability is None or low is None or high is None or not region.transforms:
        return ""
    sides = {side_of(p, low, high) for p in (region.probability, *region.transforms.values())}
    if len(sides) == 1:
        return _("The answer stays the same when this part is re-saved or reduced.")
    return _("Re-saved or reduced copies of this part get different answers.")


def _faces(detection: Detection, known: set[detector.PixelBox]) -> Iterator[Offer]:
    width, height = detection.image.oriented_size
    for number, face in enumerate(detection.faces, 1):
        if "box" not in face:
            continue
        left, top, across, down = face["box"]
        side = SURROUNDINGS * max(across * width, down * height)
        box = _within(left + across / 2, top + down / 2, side / width, side / height)
        if offer := _offer(detection, box, known, face=number):
            yield offer


def _within(x: float, y: float, width: float, height: float) -> Shares:
    """A box around a point, cut at the edges of the picture."""
    left, top = max(0.0, x - width / 2), max(0.0, y - height / 2)
    return left, top, min(1.0, x + width / 2) - left, min(1.0, y + height / 2) - top


def _offer(
    detection: Detection,
    box: Shares | None,
    known: set[detector.PixelBox],
    *,
    face: int = 0,
) -> Offer | None:
    """What one button would ask for; None where it would be refused or was asked for before."""
    if box is None:
        return None
    left, top, width, height = (float(_percent(share)) / 100 for share in box)
    box = left, top, min(width, 1 - left), min(height, 1 - top)
    try:
        place = regions.pixel_box(detection.image, box, min_side_px=regions.min_side_px(detection))
    except Refused:
        return None
    if place in known:
        return None
    names = ("left", "top", "width", "height")
    return Offer({name: _percent(share) for name, share in zip(names, box, strict=True)}, face)


def _percent(share: float) -> str:
    """For a form and for SVG, in which no locale has a say."""
    return f"{100 * share:.2f}"
