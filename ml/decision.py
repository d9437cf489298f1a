"""From a calibrated probability and the reasons against deciding to one of three verdicts."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self


class Verdict(StrEnum):
    """What an image is judged to be: a decision under a stated error rate, never a fact."""

    LIKELY_AUTHENTIC = "likely_authentic"
    LIKELY_MANIPULATED = "likely_manipulated"
    INCONCLUSIVE = "inconclusive"


# Every code that can stand beside a verdict. Not every network can give every one of them.
REASONS: tuple[str, ...] = (
    "too_small",
    "heavy_compression",
    "no_face",
    "out_of_domain",
    "unstable",
    "faces_disagree",
    "transparency",
)
# What machines are told where no reason speaks against deciding, and the number decides nothing. It
# is no reason in an artifact, in a prediction or in a stored verdict.
BETWEEN_THRESHOLDS = "between_thresholds"


def stated_reasons(
    verdict: str | None, probability: float | None, reasons: Collection[str]
) -> tuple[str, ...]:
    """The reasons as machines are told them: an inconclusive verdict always has one."""
    is_between = verdict == Verdict.INCONCLUSIVE and probability is not None and not reasons
    return (BETWEEN_THRESHOLDS,) if is_between else tuple(reasons)


@dataclass(frozen=True)
class OperatingPoint:
    """The pair of cuts on P(fake), the rates they were chosen for, and the limits of the vetoes.

    Attributes:
        authentic_below: P(fake) under this is likely authentic.
        manipulated_from: P(fake) from this on is likely manipulated; above 1 nothing ever is.
        max_false_accusation_rate: largest share of real validation images called manipulated.
        max_missed_fake_rate: largest share of fake validation images called authentic.
        min_side_px: an image whose shorter side is less is not judged.
        stability_transforms: mild alterations that must not change a decided verdict; names
            from `ml.stability.TRANSFORMS`.
        stability_side: P(fake) that no altered copy of a decided picture may cross; without it,
            every copy must get the picture's own verdict.
        max_blockiness: a picture of more is too heavily compressed; see `ml.quality`.
        min_detail: a picture of less is as good as a tiny one; see `ml.quality`.
        max_flatness, min_correlation: a picture of more or less is a drawing, or noise.
        max_distance: a picture further from the training images is out of domain; see
            `ml.domain`.
    """

    authentic_below: float
    manipulated_from: float
    max_false_accusation_rate: float
    max_missed_fake_rate: float
    min_side_px: int = 0
    stability_transforms: tuple[str, ...] = ()
    max_blockiness: float | None = None
    min_detail: float | None = None
    max_flatness: float | None = None
    min_correlation: float | None = None
    max_distance: float | None = None
    stability_side: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.authentic_below <= self.manipulated_from:
            raise ValueError(
                f"authentic_below {self.authentic_below} must lie between 0 and "
                f"manipulated_from {self.manipulated_from}"
            )

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read the sidecar's form; an unknown or missing field raises TypeError."""
        transforms = tuple(value.get("stability_transforms", ()))
        return cls(**{**value, "stability_transforms": transforms})

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "stability_transforms": list(self.stability_transforms)}

    def compare(self, probability: float) -> Verdict:
        """The verdict of the two cuts alone; NaN decides nothing."""
        if probability >= self.manipulated_from:
            return Verdict.LIKELY_MANIPULATED
        if probability < self.authentic_below:
            return Verdict.LIKELY_AUTHENTIC
        return Verdict.INCONCLUSIVE

    def decide(self, probability: float | None, reasons: Collection[str]) -> Verdict:
        """The verdict, which any reason against deciding turns into inconclusive."""
        if probability is None or reasons:
            return Verdict.INCONCLUSIVE
        return self.compare(probability)

    def is_unstable(self, probability: float, under_transforms: Collection[float]) -> bool:
        """Whether any of the transforms contradicts a decided verdict."""
        verdict = self.compare(probability)
        if verdict is Verdict.INCONCLUSIVE:
            return False
        if self.stability_side is not None:
            is_high = probability >= self.stability_side
            return any((other >= self.stability_side) is not is_high for other in under_transforms)
        return any(self.compare(other) is not verdict for other in under_transforms)
