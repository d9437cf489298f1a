"""Pairs of views to learn from: one of a real, one of a fake, drawn and damaged alike."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from ml.datasets.blend import cross_blended, mismatch, self_blended
from ml.datasets.damage import Damage, draw_filter
from ml.datasets.manifest import Sample
from ml.datasets.pixel_store import PixelStore
from ml.datasets.replay import Replay
from ml.errors import DatasetError
from ml.preprocess import FILTERS, face_square
from ml.views import FACE_MARGIN

Box = tuple[int, int, int, int]
# A view and, where the recipe says, its copy: (size, size, 3) uint8 each.
Showings = list[np.ndarray]


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


# A narrower strip beside a face shows nothing but a plain wall, enlarged.
MIN_ROOM_PX = 80
# Tiles along each side of a shuffled view.
TILES = 5


@dataclass(frozen=True)
class _Cut:
    """Where a view lies in its picture, and through which sizes it goes.

    Attributes:
        box: left, top, right, bottom in pixels.
        between: width and height at which the damage is done.
    """

    box: Box
    between: tuple[int, int]
    resample: Image.Resampling
    is_flipped: bool


class ViewPairs:
    """Draws pairs of views from decoded images; every draw depends on its generator alone."""

    def __init__(
        self,
        recipe: ViewRecipe,
        samples: Sequence[Sample],
        store: PixelStore,
        *,
        replay: Replay | None = None,
    ) -> None:
        self.recipe, self.store = recipe, store
        self.by_source, is_old = _pools(samples, replay)
        if not self.by_source:
            raise DatasetError("no source has both reals and fakes, which this network learns from")
        sizes = np.sqrt([sum(map(len, both)) for both in self.by_source.values()])
        emphasis = dict(recipe.source_emphasis)
        sizes *= [emphasis.get(both[0][0].source, 1.0) for both in self.by_source.values()]
        self.source_shares = _shares(sizes, is_old, replay)
        self.sources = {both[0][0].source for both in self.by_source.values()}
        self.served = dict(recipe.served)
        self.aligned = aligned_pairs(samples)
        # only the reals of sources that are learnt from: a source left out stays left out
        reals = [real for both in self.by_source.values() for real in both[0]]
        self.faces = [real for real in reals if store.face(real.sha256) is not None]
        self.backgrounds = self._backgrounds(samples) if recipe.background_share else ([], [])

    def draw(self, size: int, generator: np.random.Generator) -> list[np.ndarray]:
        """A real and a fake view, each (size, size, 3) uint8; then, where asked, their copies."""
        real, fake = self._pair(size, generator)
        return [view for pair in zip(real, fake, strict=True) for view in pair]

    def _pair(self, size: int, generator: np.random.Generator) -> tuple[Showings, Showings]:
        chosen = generator.random()
        if self.aligned and chosen < self.recipe.aligned_share:
            real, fake = self.aligned[int(generator.integers(len(self.aligned)))]
            pixels = self.store.pixels(real.sha256), self.store.pixels(fake.sha256)
            return self._alike(pixels, real, size, generator, "crop")
        if self.faces and chosen > 1 - self.recipe.blended_share:
            real, blended = self._blended(generator)
            if blended is not None:
                kind = "face" if generator.random() < 0.6 else "whole"
                pixels = self.store.pixels(real.sha256), blended
                return self._alike(pixels, real, size, generator, kind)
        # drawn only where a recipe asks: the draws of the others stay what they were
        if all(self.backgrounds) and generator.random() < self.recipe.background_share:
            real, fake = (rows[int(generator.integers(len(rows)))] for rows in self.backgrounds)
            first, second = (self._background(row, size, generator) for row in (real, fake))
            return first, second
        at = int(generator.choice(len(self.source_shares), p=self.source_shares))
        reals, fakes = list(self.by_source.values())[at]
        real = reals[int(generator.integers(len(reals)))]
        fake = fakes[int(generator.integers(len(fakes)))]
        return self._view(real, size, generator), self._view(fake, size, generator)

    def _blended(self, generator: np.random.Generator) -> tuple[Sample, np.ndarray | None]:
        real = self.faces[int(generator.integers(len(self.faces)))]
        pixels, (_, landmarks) = self.store.pixels(real.sha256), self._face(real)
        if generator.random() < 0.5:
            return real, self_blended(pixels, landmarks, generator)
        other = self._donor(real, landmarks, generator)
        other_pixels, (_, other_landmarks) = self.store.pixels(other.sha256), self._face(other)
        share = self.recipe.seamless_share
        is_seamless = bool(share and generator.random() < share)
        told = pixels, landmarks, other_pixels, other_landmarks, generator
        return real, cross_blended(*told, is_seamless=is_seamless)

    def _donor(self, real: Sample, landmarks: np.ndarray, generator: np.random.Generator) -> Sample:
        """Whose face is laid over this real's; its own only where no other was drawn."""
        drawn = [
            self.faces[int(generator.integers(len(self.faces)))] for _ in range(self.recipe.donors)
        ]
        return min(
            drawn,
            key=lambda one: (one.sha256 == real.sha256, mismatch(self._face(one)[1], landmarks)),
        )

    def _face(self, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        face = self.store.face(sample.sha256)
        if face is None:
            raise LookupError(f"no face in {sample.path}")
        return face

    def _backgrounds(self, samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
        """Pictures with something genuine beside the face, and ones generated all over."""
        local = self.recipe.local_sources
        rows = [row for row in samples if row.source not in self.recipe.face_sources]
        learnt = [row for row in rows if row.source in self.sources and self._has_room(row)]
        genuine = [row for row in learnt if row.label == 0 or row.source in local]
        generated = [row for row in learnt if row.label == 1 and row.source not in local]
        return genuine, generated

    def _has_room(self, row: Sample) -> bool:
        return bool(_rooms(self.store.pixels(row.sha256).shape, self.store.face(row.sha256)))

    def _background(self, sample: Sample, size: int, generator: np.random.Generator) -> Showings:
        pixels, face = self.store.pixels(sample.sha256), self.store.face(sample.sha256)
        box = _beside_box(_rooms(pixels.shape, face), size, generator)
        side = box[2] - box[0]
        cut = _Cut(box, (side, side), draw_filter(generator), bool(generator.random() < 0.5))
        return self._render(pixels, cut, size, generator)

    def _view(self, sample: Sample, size: int, generator: np.random.Generator) -> Showings:
        pixels = self.store.pixels(sample.sha256)
        kind = self._kind(generator)
        shown = self._render(
            pixels, self._cut(pixels, sample, size, generator, kind), size, generator
        )
        share = self.recipe.shuffle_share
        if share and kind == "crop" and generator.random() < share:
            places = generator.permutation(TILES * TILES)
            shown = [shuffled(view, places) for view in shown]
        return shown

    def _alike(
        self,
        pair: tuple[np.ndarray, np.ndarray],
        sample: Sample,
        size: int,
        generator: np.random.Generator,
        kind: str,
    ) -> tuple[Showings, Showings]:
        """Both halves of a pair under one cut and one draw of damage; the real comes first."""
        # some fakes lack the last rows or columns of their real
        height, width = np.min([pixels.shape[:2] for pixels in pair], axis=0)
        pair = pair[0][:height, :width], pair[1][:height, :width]
        cut = self._cut(pair[0], sample, size, generator, kind)
        seed = int(generator.integers(2**32))
        first, second = (
            self._render(pixels, cut, size, np.random.default_rng(seed)) for pixels in pair
        )
        return first, second

    def _kind(self, generator: np.random.Generator) -> str:
        chosen = generator.random()
        if chosen < self.recipe.crop_share:
            return "crop"
        return "face" if chosen < self.recipe.crop_share + self.recipe.face_share else "whole"

    def _cut(
        self,
        pixels: np.ndarray,
        sample: Sample,
        size: int,
        generator: np.random.Generator,
        kind: str,
    ) -> _Cut:
        recipe, face = self.recipe, self.store.face(sample.sha256)
        served = self.served.get(sample.source, 0.0) if kind != "crop" else 0.0
        if served and generator.random() < served:
            return _served_cut(pixels.shape, face if kind == "face" else None, generator)
        scale = 1.0
        if generator.random() < recipe.rescale_share:
            low, high = np.log(recipe.min_scale), np.log(recipe.max_scale)
            scale = float(np.exp(generator.uniform(low, high)))
        box = (
            _face_box(face[0], pixels.shape, generator)
            if kind == "face" and face is not None
            else None
        )
        if kind == "crop" or (kind == "face" and box is None):
            box = _crop_box(pixels.shape, size / scale, face, generator)
        if box is None:
            box = self._whole_box(pixels.shape, generator)
        width, height = box[2] - box[0], box[3] - box[1]
        between = (max(16, round(width * scale)), max(16, round(height * scale)))
        is_flipped = bool(generator.random() < 0.5)
        return _Cut(box, between, draw_filter(generator), is_flipped)

    def _whole_box(self, shape: tuple[int, ...], generator: np.random.Generator) -> Box:
        height, width = shape[:2]
        limit = np.log(self.recipe.max_aspect)
        aspect = float(np.exp(generator.uniform(-limit, limit)))
        keep = generator.uniform(self.recipe.min_keep, 1)
        w = max(8, int(min(width, height * aspect) * keep))
        h = max(8, int(min(height, width / aspect) * keep))
        left = int(generator.integers(0, max(1, width - w + 1)))
        top = int(generator.integers(0, max(1, height - h + 1)))
        return left, top, left + w, top + h

    def _render(
        self, pixels: np.ndarray, cut: _Cut, size: int, generator: np.random.Generator
    ) -> Showings:
        left, top, right, bottom = cut.box
        image = Image.fromarray(pixels[top:bottom, left:right])
        if image.size != cut.between:
            image = image.resize(cut.between, cut.resample)
        image = self.recipe.damage.apply(image, generator)
        shown = [image]
        if self.recipe.copy is not None:
            shown.append(_copied(image, self.recipe.copy, generator))
        return [self._fitted(one, size, is_flipped=cut.is_flipped) for one in shown]

    def _fitted(self, image: Image.Image, size: int, *, is_flipped: bool) -> np.ndarray:
        if image.size != (size, size):
            image = image.resize((size, size), FILTERS[self.recipe.resample])
        if is_flipped:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return np.asarray(image)


Pools = dict[str, tuple[list[Sample], list[Sample]]]


def _pools(samples: Sequence[Sample], replay: Replay | None) -> tuple[Pools, np.ndarray]:
    """Reals and fakes of each source that has both, and which of the pools are old.

    With replay, new and old images of a source are two pools; one that lacks a class takes that of
    the other.
    """
    rows: Pools = defaultdict(lambda: ([], []))
    old: Pools = defaultdict(lambda: ([], []))
    for sample in samples:
        pools = old if replay is not None and replay.is_old(sample) else rows
        pools[sample.source][sample.label].append(sample)
    for one, other in ((rows, old), (old, rows)):
        for source in sorted(set(one) & set(other)):
            one[source] = (
                one[source][0] or other[source][0],
                one[source][1] or other[source][1],
            )
    named = [(name, both, False) for name, both in rows.items()]
    named += [(f"{name}, learnt before", both, True) for name, both in old.items()]
    whole = sorted((one for one in named if all(one[1])), key=lambda one: one[0])
    return {name: both for name, both, _ in whole}, np.array([flag for *_, flag in whole])


def _shares(sizes: np.ndarray, is_old: np.ndarray, replay: Replay | None) -> np.ndarray:
    """How often each pool is drawn from; old ones together get their share."""
    if replay is None or is_old.all() or not is_old.any():
        shares: np.ndarray = sizes / sizes.sum()
        return shares
    old = np.where(is_old, sizes, 0)
    new = np.where(is_old, 0, sizes)
    together: np.ndarray = replay.share * old / old.sum() + (1 - replay.share) * new / new.sum()
    return together


def _copied(image: Image.Image, recipe: CopyRecipe, generator: np.random.Generator) -> Image.Image:
    if generator.random() < recipe.reduce_share:
        scale = float(np.exp(generator.uniform(np.log(recipe.min_scale), 0)))
        size = (max(16, round(image.width * scale)), max(16, round(image.height * scale)))
        image = image.resize(size, draw_filter(generator))
    return recipe.damage.apply(image, generator)


def aligned_pairs(samples: Sequence[Sample]) -> list[tuple[Sample, Sample]]:
    """Reals with the fakes made of them: a method ends in `of` and the real's first hash digits."""
    reals = {sample.sha256[:16]: sample for sample in samples if sample.label == 0}
    origin = re.compile(r" of ([0-9a-f]{16})$")
    found = ((origin.search(fake.method), fake) for fake in samples if fake.label == 1)
    return [(reals[m[1]], fake) for m, fake in found if m and m[1] in reals]


def _served_cut(
    shape: tuple[int, ...],
    face: tuple[np.ndarray, np.ndarray] | None,
    generator: np.random.Generator,
) -> _Cut:
    """The whole picture or its face as a verdict is made of it; only mirrored half of the time."""
    height, width = shape[:2]
    box = (0, 0, width, height)
    if face is not None:
        box = face_square(face[0].tolist(), FACE_MARGIN, width, height)
    between = (box[2] - box[0], box[3] - box[1])
    return _Cut(box, between, Image.Resampling.BICUBIC, bool(generator.random() < 0.5))


def _face_box(face: np.ndarray, shape: tuple[int, ...], generator: np.random.Generator) -> Box:
    margin = float(generator.uniform(1.1, 2.0))
    shift = generator.uniform(-0.08, 0.08, 2)
    left, top, width, height = face
    moved = (left + shift[0] * width, top + shift[1] * height, width, height)
    return face_square(moved, margin, shape[1], shape[0])


def _crop_box(
    shape: tuple[int, ...],
    side: float,
    face: tuple[np.ndarray, np.ndarray] | None,
    generator: np.random.Generator,
) -> Box:
    """A square of the wanted side, or as large as there is room, that holds the face's middle."""
    height, width = shape[:2]
    s = max(8, min(round(side), height, width))
    low, high = np.zeros(2), np.array([width - s, height - s], float)
    if face is not None and generator.random() < 0.85:
        middle = face[1].mean(axis=0)
        low = np.clip(middle - 0.8 * s, low, high)
        high = np.clip(middle - 0.2 * s, low, high)
    left, top = (round(float(v)) for v in generator.uniform(low, high + 1e-9))
    return left, top, left + s, top + s


def _beside_box(rooms: Sequence[Box], side: int, generator: np.random.Generator) -> Box:
    """A square of at most this side in one of the rooms, each as often."""
    left, top, right, bottom = rooms[int(generator.integers(len(rooms)))]
    s = min(side, right - left, bottom - top)
    x = int(generator.integers(left, right - s + 1))
    y = int(generator.integers(top, bottom - s + 1))
    return x, y, x + s, y + s


def _rooms(shape: tuple[int, ...], face: tuple[np.ndarray, np.ndarray] | None) -> list[Box]:
    """Where there is space beside the face, hair and seam of a swap left out; all of it without."""
    height, width = shape[:2]
    if face is None:
        rooms = [(0, 0, width, height)]
    else:
        x, y, w, h = face[0]
        rooms = [
            (0, 0, int(x - 0.15 * w), height),
            (int(x + 1.15 * w), 0, width, height),
            (0, 0, width, int(y - 0.3 * h)),
            (0, int(y + 1.15 * h), width, height),
        ]
    return [room for room in rooms if min(room[2] - room[0], room[3] - room[1]) >= MIN_ROOM_PX]


def shuffled(view: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A view of shape (size, size, 3) whose `TILES`² tiles stand in this order."""
    size = view.shape[0] // TILES * TILES
    tile = size // TILES
    tiles = view[:size, :size].reshape(TILES, tile, TILES, tile, 3).swapaxes(1, 2)
    flat = tiles.reshape(TILES * TILES, tile, tile, 3)[places]
    mixed = flat.reshape(TILES, TILES, tile, tile, 3).swapaxes(1, 2).reshape(size, size, 3)
    whole = view.copy()
    whole[:size, :size] = mixed
    return whole
