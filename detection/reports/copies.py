"""What this desk said of other copies of a picture, where it did not say the same of all."""

from dataclasses import dataclass

from accounts.models import User
from detection.models import Detection
from detection.services.seen_before import Kind, Match, find, fingerprint

MOST_LISTED = 20


@dataclass(frozen=True)
class Copies:
    """Other files of the same picture that have a verdict; none where all have the same.

    Attributes:
        verdicts: the different ones, that of the detection first.
        left_out: how many copies there are beside the listed.
    """

    listed: list[Match]
    verdicts: list[str]
    left_out: int


def copies_that_disagree(detection: Detection, by: User) -> Copies | None:
    """As a report may tell whoever reads it.

    A report is read by others than the person who issues it. So only copies of the same owner
    count, and confidential ones only beside one that is confidential itself.
    """
    found = find(by, fingerprint(detection.image), beside=detection).matches
    copies = [match for match in found if _may_be_told(match, detection)]
    verdicts = dict.fromkeys([detection.verdict, *(match.detection.verdict for match in copies)])
    if len(verdicts) < 2:
        return None
    return Copies(copies[:MOST_LISTED], [*verdicts], max(0, len(copies) - MOST_LISTED))


def _may_be_told(match: Match, detection: Detection) -> bool:
    copy, image = match.detection.image, detection.image
    is_same_picture = match.kind != Kind.POSSIBLE and copy.pk != image.pk
    is_open = image.is_confidential or not copy.is_confidential
    has_verdict = bool(match.detection.verdict)
    return is_same_picture and is_open and has_verdict and copy.owner_id == image.owner_id
