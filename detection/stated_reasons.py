"""Why a verdict is not a plainer one, for machines: an inconclusive one always has a code.

Stored is what speaks against deciding; a number between the cuts is no such thing. As
`ml.decision.stated_reasons`, which the command uses; a test keeps the two equal.
"""

from typing import Protocol

from detection.words import BETWEEN_THRESHOLDS


class Judged(Protocol):
    """A detection, or a part of an image."""

    verdict: str
    probability: float | None
    reasons: list[str]


def stated_reasons(row: Judged) -> list[str]:
    is_between = row.verdict == "inconclusive" and row.probability is not None and not row.reasons
    return [BETWEEN_THRESHOLDS] if is_between else list(row.reasons)
