"""What was seen before, in sentences: kind, verdict, number and person of each match together."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from detection import words
from detection.figures import figures
from detection.models import Detection
from detection.presentation import TONES, cuts, decisive_probability
from detection.services.seen_before import Found, Kind, Match

SHOWN = 12
KINDS: dict[Kind, str | Promise] = {
    Kind.EXACT: _("The same file"),
    Kind.NEAR: _("A copy: saved again, resized or a screenshot"),
    Kind.POSSIBLE: _("Perhaps a cropped or captioned copy, perhaps another picture"),
}


@dataclass(frozen=True)
class Sighting:
    """One match as a page shows it.

    Attributes:
        tone: as that of a `VerdictCard`.
        probability: in percent; None where there is none, or where a reason outweighed it.
        is_own: whether the reader submitted it.
    """

    match: Match
    tone: str
    title: str | Promise
    probability: str | None
    kind: str | Promise
    is_own: bool

    @property
    def detection(self) -> Detection:
        return self.match.detection


@dataclass(frozen=True)
class SeenBefore:
    """Everything the section says.

    Attributes:
        copies: how many are the same picture; the others only may be.
        first_at: when the first of those copies came, None without any.
        came_earlier: whether one of them did before the detection that asks.
        verdicts: the different verdicts that the same picture got, the asking one included; empty
            while they agree.
        hidden: how many matches there are beside those shown.
    """

    sightings: list[Sighting]
    copies: int
    first_at: datetime | None
    came_earlier: bool
    verdicts: list[str | Promise]
    hidden: int
    is_telling: bool
    is_whole: bool


def seen_before(found: Found, *, reader: User, beside: Detection | None = None) -> SeenBefore:
    """Put what was found into words, in the reader's language."""
    copies = [match for match in found.matches if match.kind != Kind.POSSIBLE]
    return SeenBefore(
        sightings=[_sighting(match, reader) for match in found.matches[:SHOWN]],
        copies=len(copies),
        first_at=min((match.detection.image.created_at for match in copies), default=None),
        came_earlier=any(not beside or _is_before(copy.detection, beside) for copy in copies),
        verdicts=_different([*([beside] if beside else []), *(m.detection for m in copies)]),
        hidden=max(0, len(found.matches) - SHOWN),
        is_telling=found.is_telling,
        is_whole=found.is_whole,
    )


def _sighting(match: Match, reader: User) -> Sighting:
    row = match.detection
    is_failed = row.status == Detection.Status.FAILED
    return Sighting(
        match,
        tone=TONES.get(row.verdict, "failed" if is_failed else "waiting"),
        title=_title(row),
        probability=figures(decisive_probability(row), *cuts(row)).probability,
        kind=KINDS[match.kind],
        is_own=row.image.owner_id == reader.pk,
    )


def _title(row: Detection) -> str | Promise:
    if row.verdict:
        return Detection.Verdict(row.verdict).label
    return words.NOT_JUDGED if row.status == Detection.Status.FAILED else _("Being checked…")


def _is_before(row: Detection, other: Detection) -> bool:
    return row.created_at < other.created_at


def _different(rows: list[Detection]) -> list[str | Promise]:
    given = dict.fromkeys(row.verdict for row in rows if row.verdict)
    return [Detection.Verdict(verdict).label for verdict in given] if len(given) > 1 else []
