from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.datasets.cuts import MIN_ROOM_PX, crop_box, face_box, rooms_beside
from ml.datasets.damage import Damage
from ml.datasets.manifest import Sample
from ml.datasets.recipe import CopyRecipe, ViewRecipe
from ml.datasets.views import TILES, ViewPairs, aligned_pairs, shuffled
from ml.errors import DatasetError
from ml.preprocess import FILTERS, Preprocessing, face_square
from ml.views import FACE_MARGIN
from tests.images import photo_like
from tests.ml.tiny import Drawn, store_of

UNDAMAGED = Damage(tone_share=0, blur_share=0, noise_share=0, screenshot_share=0, save_share=0)
# every pair from a source, every view a crop at full resolution, nothing done to it
CROPS = ViewRecipe(
    aligned_share=0, blended_share=0, crop_share=1, face_share=0, rescale_share=0, damage=UNDAMAGED
)
ALIGNED = replace(CROPS, aligned_share=1.0, rescale_share=0.5)
BLENDED = replace(CROPS, blended_share=1.0)
FACE = [40, 30, 50, 60, 55, 50, 75, 50, 65, 62, 58, 75, 72, 75]


def grey(value: int, label: int, source: str = "drawn", **more) -> Drawn:
    """A picture whose colour tells which one a view was cut from."""
    return Drawn(np.full((120, 140, 3), value, np.uint8), label, source, **more)


def photo(seed: int, label: int, source: str = "drawn", **more) -> Drawn:
    return Drawn(np.asarray(photo_like(140, 120, seed)), label, source, **more)


def views(recipe: ViewRecipe, pictures: list[Drawn], n: int = 60, size: int = 32) -> np.ndarray:
    """Pairs of views, shape (n, 2, size, size, 3)."""
    pairs = ViewPairs(recipe, *store_of(pictures))
    return np.array([pairs.draw(size, np.random.default_rng(seed)) for seed in range(n)])


def test_every_pair_is_a_real_and_a_fake():
    pictures = [grey(v, int(v > 100), s) for v in (10, 20, 200, 210) for s in ("one", "two")]
    values = views(CROPS, pictures)[:, :, 0, 0, 0]
    assert set(values[:, 0]) == {10, 20}
    assert set(values[:, 1]) == {200, 210}


def test_both_halves_of_a_pair_come_from_one_source():
    pictures = [grey(10, 0, "one"), grey(20, 1, "one"), grey(110, 0, "two"), grey(120, 1, "two")]
    values = views(CROPS, pictures)[:, :, 0, 0, 0]
    assert {tuple(pair) for pair in values.tolist()} == {(10, 20), (110, 120)}


def test_sources_are_drawn_by_the_square_root_of_their_size():
    few = [grey(10, 0, "few"), grey(11, 1, "few")]
    many = [grey(100 + at, at % 2, "many") for at in range(18)]
    pairs = ViewPairs(CROPS, *store_of(few + many))
    assert dict(zip(pairs.by_source, pairs.source_shares, strict=True)) == pytest.approx(
        {"few": 0.25, "many": 0.75}
    )


def test_a_source_is_drawn_more_often_by_its_emphasis():
    pictures = [grey(10 + at, at % 2, name) for at, name in enumerate(["a", "a", "b", "b"])]
    recipe = replace(CROPS, source_emphasis=(("b", 3.0), ("not there", 9.0)))
    pairs = ViewPairs(recipe, *store_of(pictures))
    assert dict(zip(pairs.by_source, pairs.source_shares, strict=True)) == pytest.approx(
        {"a": 0.25, "b": 0.75}
    )


def test_a_source_of_one_class_is_never_drawn():
    pictures = [grey(10, 0), grey(200, 1), grey(30, 0, "reals"), grey(240, 1, "fakes")]
    assert set(views(CROPS, pictures)[:, :, 0, 0, 0].ravel()) == {10, 200}


def test_a_data_set_without_any_pair_is_refused():
    with pytest.raises(DatasetError, match="no source"):
        ViewPairs(CROPS, *store_of([grey(30, 0, "reals"), grey(240, 1, "fakes")]))


@pytest.mark.parametrize("size", [32, 160, 224])
@pytest.mark.parametrize("shape", [(300, 200), (64, 64), (31, 400)])
def test_views_have_exactly_the_wanted_size(size, shape):
    pictures = [Drawn(np.asarray(photo_like(*shape, seed)), seed % 2) for seed in range(4)]
    drawn = views(replace(ViewRecipe(), aligned_share=0), pictures, n=12, size=size)
    assert (drawn.shape, drawn.dtype) == ((12, 2, size, size, 3), np.dtype(np.uint8))


def test_the_same_seed_draws_the_same_views():
    real = photo(0, 0, face=FACE)
    pictures = [real, photo(1, 1, copy_of=real), photo(2, 0, face=FACE)]
    recipe = replace(ViewRecipe(), aligned_share=0.3, blended_share=0.4)
    np.testing.assert_array_equal(views(recipe, pictures, 20), views(recipe, pictures, 20))


def test_the_order_of_drawing_does_not_matter():
    pairs = ViewPairs(ViewRecipe(), *store_of([photo(0, 0, face=FACE), photo(1, 1)]))
    forwards = [pairs.draw(32, np.random.default_rng(seed)) for seed in range(8)]
    backwards = [pairs.draw(32, np.random.default_rng(seed)) for seed in reversed(range(8))]
    np.testing.assert_array_equal(forwards, backwards[::-1])


def named(sha256: str, label: int, method: str) -> Sample:
    return Sample(Path("x"), label, "s", method, "g", "train", sha256, "")


def test_fakes_and_the_reals_they_were_made_from_are_found_by_the_method():
    real, other = named("a" * 64, 0, ""), named("b" * 64, 0, "copy of " + "a" * 16)
    fake = named("c" * 64, 1, "autoencoder v2 of " + "a" * 16)
    assert aligned_pairs([other, fake, real]) == [(real, fake)]


@pytest.mark.parametrize(
    "method",
    [
        "",
        "of " + "a" * 16,
        "copy of " + "a" * 15,
        f"copy of {'a' * 16} twice",
        "copy of " + "d" * 16,
    ],
)
def test_a_fake_whose_method_names_no_known_real_is_in_no_aligned_pair(method):
    assert aligned_pairs([named("a" * 64, 0, ""), named("c" * 64, 1, method)]) == []


def retouched(real: Drawn, at: slice = slice(40, 80)) -> Drawn:
    """A fake that is its real but for a white square."""
    pixels = real.pixels.copy()
    pixels[at, at] = 255
    return Drawn(pixels, 1, real.source, copy_of=real)


def test_aligned_views_differ_only_where_the_pictures_do():
    real = grey(90, 0)
    drawn = views(ALIGNED, [real, retouched(real)]).astype(int)
    touched = (drawn[:, 1] > 91).any(axis=3)
    assert (drawn[:, 0] == 90).all()
    assert touched.any()
    # the resize filters ring around the square, and leave the rest alone
    assert (np.abs(drawn[:, 1] - 90).max(axis=3)[~touched] < 40).all()


def test_aligned_views_of_equal_pictures_are_equal_however_damaged():
    real = photo(0, 0)
    fake = Drawn(real.pixels, 1, copy_of=real)
    first, second = views(replace(ALIGNED, damage=Damage()), [real, fake]).swapaxes(0, 1)
    np.testing.assert_array_equal(first, second)


def test_aligned_views_are_cut_and_turned_alike():
    real = photo(0, 0)
    drawn = views(replace(ALIGNED, damage=Damage()), [real, retouched(real, slice(50, 54))], 40)
    change = np.abs(np.diff(drawn.astype(int), axis=1)[:, 0]).max(axis=3)
    # contrast is damaged about the mean of the view, which the retouch moves a little
    assert (np.median(change, axis=(1, 2)) < 8).all()


def test_a_fake_is_aligned_with_a_real_of_another_source():
    real = grey(10, 0, "photographs")
    fake = Drawn(real.pixels + 5, 1, "autoencoder", copy_of=real)
    drawn = views(ALIGNED, [real, fake, grey(100, 0), grey(200, 1)])[:, :, 0, 0, 0]
    assert {tuple(pair) for pair in drawn.tolist()} == {(10, 15)}


def test_a_blend_is_its_real_outside_the_face():
    real = Drawn(np.asarray(photo_like(300, 240)), 0, face=FACE)
    pairs = ViewPairs(BLENDED, *store_of([real, photo(1, 1)]))
    generator = np.random.default_rng(3)
    blends = [blend for _, blend in (pairs._blended(generator) for _ in range(20))]
    shown = [blend for blend in blends if blend is not None]
    assert len(shown) > 3
    for blend in shown:
        assert (blend != real.pixels).any()
        np.testing.assert_array_equal(blend[180:, 200:], real.pixels[180:, 200:])


def test_blends_are_made_of_reals_with_a_face_alone():
    pictures = [photo(0, 0, face=FACE), photo(1, 0), photo(2, 1, face=FACE), photo(3, 1)]
    pairs = ViewPairs(BLENDED, *store_of(pictures))
    assert [sample.sha256 for sample in pairs.faces] == [pictures[0].sha256]


def test_of_several_donors_the_one_whose_landmarks_fit_best_is_taken():
    alike = np.array(FACE, float)
    alike[4::2] += 10  # the same face elsewhere
    turned = np.array(FACE, float)
    turned[4:] = np.ravel(np.reshape(turned[4:], (5, 2)) * [0.3, 1])
    pictures = [photo(0, 0, face=FACE), photo(1, 0, face=list(alike)), photo(2, 1)]
    pictures += [photo(at, 0, face=list(turned)) for at in range(3, 9)]
    pairs = ViewPairs(replace(BLENDED, donors=200), *store_of(pictures))
    real = next(one for one in pairs.faces if one.sha256 == pictures[0].sha256)
    landmarks = pairs._face(real)[1]
    taken = {pairs._donor(real, landmarks, np.random.default_rng(n)).sha256 for n in range(5)}
    assert taken == {pictures[1].sha256}


def test_blends_are_seamless_as_often_as_the_recipe_says(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "ml.datasets.views.cross_blended", lambda *_, is_seamless: asked.append(is_seamless)
    )
    pictures = [photo(at, int(at == 3), face=FACE) for at in range(4)]
    for share in (0.0, 0.7, 1.0):
        asked.clear()
        pairs = ViewPairs(replace(BLENDED, seamless_share=share), *store_of(pictures))
        generator = np.random.default_rng(1)
        for _ in range(300):
            pairs._blended(generator)
        assert len(asked) > 100
        assert np.mean(asked) == pytest.approx(share, abs=0.1)


def test_a_source_left_out_lends_no_faces_to_blends():
    pictures = [photo(0, 0, face=FACE), photo(1, 1), photo(2, 0, "left_out", face=FACE)]
    samples, store = store_of(pictures)
    without = [sample for sample in samples if sample.source != "left_out"]
    for rows in (samples, without):
        pairs = ViewPairs(BLENDED, rows, store)
        assert {sample.source for sample in pairs.faces} == {"drawn"}


def test_a_blend_that_does_not_show_makes_way_for_a_pair_of_a_source():
    pictures = [grey(0, 0, face=FACE), grey(200, 1)]
    # most changes of plain black are black; a fake of 0 would be a real with a wrong label
    fakes = views(BLENDED, pictures)[:, 1]
    assert (fakes.reshape(len(fakes), -1).max(axis=1) >= 2).all()


class Boxes(ViewPairs):
    """Remembers where views were cut."""

    def _render(self, pixels, cut, size, generator):
        self.cuts = [*getattr(self, "cuts", []), (pixels.shape, cut)]
        return super()._render(pixels, cut, size, generator)


def cuts(recipe: ViewRecipe, *sizes: tuple[int, int], face: list[float] = (), n: int = 80):
    pictures = [
        Drawn(np.asarray(photo_like(w, h, at)), at % 2, face=list(face))
        for at, (w, h) in enumerate([*sizes, *sizes[:1]])
    ]
    pairs = Boxes(replace(recipe, aligned_share=0, blended_share=0), *store_of(pictures))
    for seed in range(n):
        pairs.draw(32, np.random.default_rng(seed))
    return pairs.cuts


@pytest.mark.parametrize("size", [(300, 200), (31, 400), (16, 16)])
@pytest.mark.parametrize("face", [(), FACE], ids=["faceless", "face"])
def test_every_view_lies_within_its_picture(size, face):
    for (height, width, _), cut in cuts(ViewRecipe(damage=UNDAMAGED), size, face=face):
        left, top, right, bottom = cut.box
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_whole_views_keep_most_of_the_picture_and_end_between_tall_and_wide():
    recipe = ViewRecipe(crop_share=0, face_share=0, damage=UNDAMAGED)
    for (height, width, _), cut in cuts(recipe, (300, 200)):
        left, top, right, bottom = cut.box
        aspect = (right - left) / (bottom - top)
        assert 1 / 1.4 - 0.02 < aspect < 1.4 + 0.02
        assert bottom - top >= 0.75 * height * 0.99 or right - left >= 0.75 * width * 0.7


@pytest.mark.parametrize("label", [0, 1])
def test_square_and_other_pictures_end_with_the_same_spread_of_aspects(label):
    recipe = ViewRecipe(crop_share=0, face_share=0, damage=UNDAMAGED)

    def aspects(*size: int) -> np.ndarray:
        boxes = [cut.box for _, cut in cuts(recipe, size, n=150)][label::2]
        return np.log([(b[2] - b[0]) / (b[3] - b[1]) for b in boxes])

    quantiles = [np.quantile(aspects(*size), [0.1, 0.5, 0.9]) for size in ((256, 256), (400, 200))]
    assert np.abs(quantiles[0] - quantiles[1]).max() < 0.05


def test_a_crop_shows_the_pictures_own_pixels():
    picture = np.asarray(photo_like(90, 80))
    drawn = views(CROPS, [Drawn(picture, 0), Drawn(picture, 1)], n=10)
    windows = np.lib.stride_tricks.sliding_window_view(picture, (32, 32, 3))[:, :, 0]
    for view in drawn[:, 0]:
        same = [(windows == v).all(axis=(2, 3, 4)).any() for v in (view, view[:, ::-1])]
        assert any(same)


def test_a_rescaled_crop_shows_more_or_less_of_the_picture():
    recipe = replace(CROPS, rescale_share=1.0)
    sides = [cut.box[2] - cut.box[0] for _, cut in cuts(recipe, (300, 200))]
    assert 32 / 1.5 - 1 <= min(sides) < 26
    assert 55 < max(sides) <= 64
    assert {cut.between for _, cut in cuts(recipe, (300, 200))} <= {(s, s) for s in (31, 32, 33)}


def test_both_classes_meet_every_filter_and_are_turned_as_often():
    for label in (0, 1):
        found = [cut for _, cut in cuts(ViewRecipe(damage=UNDAMAGED), (60, 50), n=200)][label::2]
        assert {cut.resample for cut in found} == set(FILTERS.values())
        assert 70 < sum(cut.is_flipped for cut in found) < 130


def test_a_face_view_is_a_square_around_the_face():
    face = np.array(FACE[:4], float)
    for seed in range(50):
        left, top, right, bottom = face_box(face, (400, 500, 3), np.random.default_rng(seed))
        assert right - left == bottom - top
        assert 1.1 * 60 - 1 <= right - left <= 2.0 * 60 + 1
        assert left <= 46
        assert right >= 84


def test_most_crops_hold_the_middle_of_the_face():
    landmarks = np.array(FACE[4:], float).reshape(5, 2)
    middle = landmarks.mean(axis=0)
    boxes = [
        crop_box((400, 500, 3), 64, (np.array(FACE[:4]), landmarks), np.random.default_rng(seed))
        for seed in range(100)
    ]
    holds = [b[0] <= middle[0] <= b[2] and b[1] <= middle[1] <= b[3] for b in boxes]
    assert 80 <= sum(holds) <= 97


def test_a_view_is_never_a_face_where_none_was_found():
    recipe = ViewRecipe(crop_share=0, face_share=1, rescale_share=0, damage=UNDAMAGED)
    assert {cut.between for _, cut in cuts(recipe, (300, 200))} == {(32, 32)}


def test_the_recipe_is_written_with_the_run():
    assert ViewRecipe().to_json()["damage"]["save_share"] == Damage().save_share


BACKGROUNDS = replace(CROPS, background_share=1.0)


def test_the_genuine_side_of_a_face_swap_counts_as_real():
    """In a picture whose face alone was changed, what lies beside the face is real."""
    swapped = [grey(20, 0, "lfw_faceswap"), grey(30, 1, "lfw_faceswap")]
    generated = [grey(110, 0, "text_to_image"), grey(120, 1, "text_to_image")]
    values = views(BACKGROUNDS, swapped + generated)[:, :, 0, 0, 0]
    assert set(values[:, 0]) == {20, 30, 110}
    assert set(values[:, 1]) == {120}


def test_a_background_shows_nothing_of_the_face():
    pixels = np.full((300, 320, 3), 50, np.uint8)
    pixels[40:140, 30:110] = 255
    face = [30, 40, 80, 100, *FACE[4:]]
    pictures = [Drawn(pixels, 0, "one", face=face), grey(120, 1, "one")]
    pairs = ViewPairs(BACKGROUNDS, *store_of(pictures))
    real = pairs.backgrounds[0][0]
    seen = [pairs._background(real, 64, np.random.default_rng(seed)) for seed in range(40)]
    assert all(view.max() < 200 for [view] in seen)


def test_too_narrow_a_strip_beside_a_face_is_no_room():
    box = np.array([20.0, 20.0, 80.0, 90.0])
    assert rooms_beside((120, 140, 3), (box, np.zeros((5, 2)))) == []
    assert rooms_beside((MIN_ROOM_PX, 300, 3), None) == [(0, 0, 300, MIN_ROOM_PX)]


def test_shuffled_tiles_are_the_same_tiles_elsewhere():
    view = np.arange(60 * 60 * 3, dtype=np.uint32).reshape(60, 60, 3)
    mixed = shuffled(view, np.random.default_rng(1).permutation(TILES * TILES))
    assert mixed.shape == view.shape
    assert not np.array_equal(mixed, view)
    assert np.array_equal(np.sort(mixed, axis=None), np.sort(view, axis=None))
    inside = mixed[:12, :12].astype(int)
    assert (np.diff(inside, axis=1)[..., 0] == 3).all()


def test_a_recipe_without_backgrounds_draws_what_it_always_drew():
    pictures = [photo(seed, seed % 2) for seed in range(6)]
    plain = views(replace(CROPS, background_share=0.0, shuffle_share=0.0), pictures)
    assert np.array_equal(plain, views(CROPS, pictures))


COPIED = replace(CROPS, copy=CopyRecipe(reduce_share=0.0, damage=UNDAMAGED))


def test_a_copy_shows_the_same_cut_as_its_view():
    pictures = [photo(seed, seed % 2) for seed in range(6)]
    shown = views(COPIED, pictures)
    assert shown.shape[1] == 4
    np.testing.assert_array_equal(shown[:, :2], shown[:, 2:])
    np.testing.assert_array_equal(shown[:, 0], views(CROPS, pictures)[:, 0])
    mixed = views(replace(COPIED, shuffle_share=1.0), pictures)
    np.testing.assert_array_equal(mixed[:, :2], mixed[:, 2:])
    assert (mixed[:, :2] != shown[:, :2]).any()


@pytest.mark.parametrize(
    "recipe",
    [
        CopyRecipe(reduce_share=1.0, min_scale=0.5, damage=UNDAMAGED),
        CopyRecipe(reduce_share=0.0, damage=replace(UNDAMAGED, save_share=1.0)),
    ],
)
def test_a_copy_alone_is_reduced_and_saved_again(recipe):
    pictures = [photo(seed, seed % 2) for seed in range(6)]
    shown = views(replace(CROPS, copy=recipe), pictures).astype(int)
    apart = np.abs(shown[:, :2] - shown[:, 2:]).mean(axis=(2, 3, 4))
    assert (apart > 0).mean() > 0.9  # by chance, some keep their size
    assert apart.mean() < 12  # the same content: another cut of these is 40 away
    stranger = np.abs(shown[:, 0] - np.roll(shown[:, 2], 1, axis=0)).mean()
    assert stranger > 2 * apart.mean()


SERVED = replace(CROPS, crop_share=0.0, face_share=0.0, served=(("drawn", 1.0),))


def mirrored_or_not(view: np.ndarray, expected: np.ndarray) -> bool:
    return bool((view == expected).all() or (view == expected[:, ::-1]).all())


def test_a_served_view_is_what_a_verdict_is_made_of():
    pictures = [photo(1, 0), photo(2, 1)]
    rules = Preprocessing(32, "bicubic", 1.0)
    expected = [rules.resize(Image.fromarray(one.pixels)) for one in pictures]
    for real, fake in views(SERVED, pictures, n=10):
        assert mirrored_or_not(real, expected[0])
        assert mirrored_or_not(fake, expected[1])


def test_a_served_face_has_the_margin_of_serving():
    pictures = [photo(1, 0, face=FACE), photo(2, 1, face=FACE)]
    left, top, right, bottom = face_square(FACE[:4], FACE_MARGIN, 140, 120)
    rules = Preprocessing(32, "bicubic", 1.0)
    expected = rules.resize(Image.fromarray(pictures[0].pixels[top:bottom, left:right]))
    for real, _ in views(replace(SERVED, face_share=1.0), pictures, n=10):
        assert mirrored_or_not(real, expected)


def test_a_source_that_is_not_named_is_never_served_whole():
    pictures = [photo(1, 0, "other"), photo(2, 1, "other")]
    recipe = replace(SERVED, min_keep=0.5)
    expected = Preprocessing(32, "bicubic", 1.0).resize(Image.fromarray(pictures[0].pixels))
    assert not any(mirrored_or_not(real, expected) for real, _ in views(recipe, pictures, n=10))
