"""How views to learn from are drawn and damaged, as values a config holds."""

from dataclasses import asdict, dataclass, field
from typing import Any

from ml.datasets.damage import Damage


@dataclass(frozen=True)
class CopyRecipe:
    """What else happens to the second showing of a view, after the damage of the first.

    Attributes:
        reduce_share: share of copies that are reduced, to `min_scale` at the smallest.
        damage: what happens to them then.
    """

    reduce_share: float = 0.5
    min_scale: float = 0.45
    damage: Damage = field(default_factory=Damage)


@dataclass(frozen=True)
class ViewRecipe:
    """How views are drawn, the same for both classes.

    A pair is a real and a fake of one source; or (`aligned_share`) a fake and the very real it
    was made from; or (`blended_share`) a real and a blend made of it on the spot. Both halves of
    the last two kinds are cut and damaged by the same draw, so nothing but the fake's own traces
    tells them apart.

    Attributes:
        aligned_share, blended_share: shares of pairs; the rest goes to sources by the square root
            of their size.
        donors: faces that one is chosen from for a blend with another's: whose landmarks fit best.
        seamless_share: share of such blends whose colours meet those around them.
        crop_share, face_share: shares of views cut at full resolution, and around the face; the
            rest are whole pictures.
        rescale_share: share of views whose picture was enlarged or reduced before it was cut.
        min_scale, max_scale: factors of that.
        min_keep: smallest share of each side that a whole view keeps.
        max_aspect: widest width over height of a whole view; its inverse is the narrowest.
        resample: filter of the last resize, the one of serving.
        background_share: share of pairs without a face: of the real half, what lies beside the
            face of a real or of a picture whose face alone was changed; of the fake half, what
            lies beside it in a picture that was generated as a whole.
        source_emphasis: names of sources, and how much more often than their size says they are
            drawn.
        local_sources: names of sources whose fakes are real beside the face.
        face_sources: names of sources whose pictures show little but the face.
        shuffle_share: share of cuts whose tiles change places, so that what the picture shows is
            lost and only its traces are left to learn from.
        served: names of sources, and the share of their whole and face views that are cut as in
            serving. Only for sources whose pictures have one size in both classes: what a picture
            is stretched by would give the others away.
        copy: how every view is shown a second time, as its picture would be after somebody saved
            it again; None shows it once.
    """

    aligned_share: float = 0.10
    blended_share: float = 0.12
    donors: int = 1
    seamless_share: float = 0.0
    crop_share: float = 0.45
    face_share: float = 0.25
    rescale_share: float = 0.5
    min_scale: float = 0.5
    max_scale: float = 1.5
    min_keep: float = 0.75
    max_aspect: float = 1.4
    resample: str = "bicubic"
    background_share: float = 0.0
    shuffle_share: float = 0.0
    source_emphasis: tuple[tuple[str, float], ...] = ()
    local_sources: tuple[str, ...] = ("lfw_faceswap", "photoshop")
    face_sources: tuple[str, ...] = ("dfdc",)
    served: tuple[tuple[str, float], ...] = ()
    damage: Damage = field(default_factory=Damage)
    copy: CopyRecipe | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
