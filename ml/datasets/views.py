"""Pairs of views to learn from: one of a real, one of a fake, drawn and damaged alike."""

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ml.datasets.blend import cross_blended, mismatch, self_blended
from ml.datasets.cuts import (
    Cut,
    beside_box,
    crop_box,
    face_box,
    rooms_beside,
    served_cut,
    whole_box,
)
from ml.datasets.damage import draw_filter
from ml.datasets.manifest import Sample
from ml.datasets.pixel_store import PixelStore
from ml.datasets.recipe import CopyRecipe, ViewRecipe
from ml.datasets.replay import Replay
from ml.errors import DatasetError
from ml.preprocess import FILTERS

# A view and, where the recipe says, its copy: (size, size, 3) uint8 each.
Showings = list[np.ndarray]
# Tiles along each side of a shuffled view.
TILES = 5


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
        return bool(rooms_beside(self.store.pixels(row.sha256).shape, self.store.face(row.sha256)))

    def _background(self, sample: Sample, size: int, generator: np.random.Generator) -> Showings:
        pixels, face = self.store.pixels(sample.sha256), self.store.face(sample.sha256)
        box = beside_box(rooms_beside(pixels.shape, face), size, generator)
        side = box[2] - box[0]
        cut = Cut(box, (side, side), draw_filter(generator), bool(generator.random() < 0.5))
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
    ) -> Cut:
        recipe, face = self.recipe, self.store.face(sample.sha256)
        served = self.served.get(sample.source, 0.0) if kind != "crop" else 0.0
        if served and generator.random() < served:
            return served_cut(pixels.shape, face if kind == "face" else None, generator)
        scale = 1.0
        if generator.random() < recipe.rescale_share:
            low, high = np.log(recipe.min_scale), np.log(recipe.max_scale)
            scale = float(np.exp(generator.uniform(low, high)))
        box = (
            face_box(face[0], pixels.shape, generator)
            if kind == "face" and face is not None
            else None
        )
        if kind == "crop" or (kind == "face" and box is None):
            box = crop_box(pixels.shape, size / scale, face, generator)
        if box is None:
            box = whole_box(pixels.shape, recipe, generator)
        width, height = box[2] - box[0], box[3] - box[1]
        between = (max(16, round(width * scale)), max(16, round(height * scale)))
        is_flipped = bool(generator.random() < 0.5)
        return Cut(box, between, draw_filter(generator), is_flipped)

    def _render(
        self, pixels: np.ndarray, cut: Cut, size: int, generator: np.random.Generator
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
