"""From the logits of a picture's views to one: weights and a rule that were measured."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

FACE_RULES = ("mean", "soft_maximum", "maximum")


@dataclass(frozen=True)
class Combination:
    """A weighted mean over the kinds of views that a picture has.

    Attributes:
        whole, cut, face: weights of the kinds; those a picture lacks count for nothing.
        face_rule: how several faces become one logit. The `maximum` of n faces accuses n times
            as often as one does; `soft_maximum` is log(mean(exp(logit))), which one face still
            moves but many real ones hold back.
        faceless_scale, faceless_offset: what turns the mean of a picture without a face into a
            logit that means as much as another's; scenes are judged with less certainty.
        copies: how far the re-saved copies of the stability check draw the logit to theirs, from
            0, the picture alone, to 1, their mean alone.
    """

    whole: float = 1.0
    cut: float = 1.0
    face: float = 1.0
    face_rule: str = "soft_maximum"
    faceless_scale: float = 1.0
    faceless_offset: float = 0.0
    copies: float = 0.0

    def __post_init__(self) -> None:
        if self.face_rule not in FACE_RULES:
            raise ValueError(f"unknown rule {self.face_rule!r}; one of {', '.join(FACE_RULES)}")
        if min(self.whole, self.cut, self.face) < 0 or not self.whole:
            raise ValueError("weights must not be negative, and the whole picture's not 0")
        if self.faceless_scale < 0:
            raise ValueError("faceless_scale must not be negative: it would reverse the order")
        if not 0 <= self.copies <= 1:
            raise ValueError("copies is a share, from 0 to 1")

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(**value)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def combine(self, kinds: Sequence[str], logit: np.ndarray) -> float:
        """One logit of a picture.

        Args:
            kinds: whole, cut or face, one for each view.
            logit: of the views, shape (n,).
        """
        total = weighted = 0.0
        for kind, weight in (("whole", self.whole), ("cut", self.cut), ("face", self.face)):
            own = logit[[each == kind for each in kinds]]
            if own.size and weight:
                pooled = self._of_faces(own) if kind == "face" else float(own.mean())
                weighted += weight * pooled
                total += weight
        if "face" in kinds:
            return weighted / total
        return self.faceless_scale * weighted / total + self.faceless_offset

    def moved(
        self, kinds: Sequence[str], own: np.ndarray, copies: Sequence[np.ndarray]
    ) -> np.ndarray:
        """How far each copy's logit lies from the picture's, by views that both have; (n,).

        Args:
            kinds: of the views that copies were judged by.
            own: the picture's logits of those views.
            copies: for each copy, its logits of the same views.
        """
        before = self.combine(kinds, own)
        return np.array([self.combine(kinds, each) - before for each in copies])

    def drawn(self, logit: float, moved: np.ndarray) -> float:
        """The logit after the copies had their say: saving a picture again changes it less."""
        return logit + self.copies * float(moved.mean()) if moved.size else logit

    def _of_faces(self, logit: np.ndarray) -> float:
        if self.face_rule == "mean":
            return float(logit.mean())
        highest = float(logit.max())
        if self.face_rule == "maximum":
            return highest
        return highest + float(np.log(np.exp(logit - highest).mean()))
