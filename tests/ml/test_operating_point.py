from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ml.calibration import sigmoid
from ml.combination import Combination
from ml.datasets.manifest import Sample
from ml.decision import Verdict
from ml.inference import Prediction
from ml.judging import Judged
from ml.operating_point import (
    OUTSIDE_DOMAIN,
    OUTSIDE_QUALITY,
    STABILITY_TRANSFORMS,
    ErrorRates,
    combined,
    fit,
    fit_combination,
    fit_operating_point,
)
from ml.preprocess import Preprocessing

RATES = ErrorRates(0.02, 0.10)
WHOLE = Preprocessing(128, "bicubic", 1 / 255)
VIEWS = replace(WHOLE, views=("whole", "cut", "face"))


def sample(label: int, source: str = "drawn", split: str = "val") -> Sample:
    return Sample(Path("x"), label, source, "", "g", split, "0", "ours")


def drawn(n: int, seed: int = 1) -> tuple[list[Sample], np.ndarray]:
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 2, n)
    return [sample(int(one)) for one in label], generator.normal(2.0 * label - 1, 1.5)


def prediction(*views: tuple[str, float], **quality: float) -> Prediction:
    empty, unsure = np.zeros((0, 0), np.float32), Verdict.INCONCLUSIVE
    return Prediction(0.0, 0.5, 0.5, unsure, (), empty, (), {}, {}, views, quality)


def drawn_views(n: int, face_spread: float, seed: int = 2) -> list[Judged]:
    """Whole pictures that tell fakes from reals, and faces that do so less, the wider they lie."""
    rows, whole = drawn(n, seed)
    spread = np.random.default_rng(seed + 1).normal(0, face_spread, n)
    face = spread + [2.0 * row.label - 1 for row in rows]
    seen = [(("whole", w), ("face", f)) for w, f in zip(whole, face, strict=True)]
    quality = [
        {
            "blockiness": 1 + at / n,
            "detail": 9 - at / n,
            "flatness": at / n,
            "correlation": 1 - at / n,
            "distance": at,
        }
        for at in range(n)
    ]
    return [
        Judged(row, prediction(*views, **figures))
        for row, views, figures in zip(rows, seen, quality, strict=True)
    ]


def weights(judged: list[Judged]) -> Combination:
    return fit_combination([one.sample for one in judged], [one.prediction for one in judged])


def test_thresholds_chosen_on_test_rows_are_refused():
    rows, logit = drawn(50)
    rows[7] = replace(rows[7], split="test")
    with pytest.raises(ValueError, match="validation rows alone"):
        fit_operating_point(rows, logit, RATES)


def test_both_rates_hold_on_the_rows_they_were_chosen_on():
    rows, logit = drawn(2000)
    calibrated, point = fit_operating_point(rows, logit, RATES)
    probability = calibrated.probability(logit)
    label = np.array([row.label for row in rows])
    accused = (probability[label == 0] >= point.manipulated_from).mean()
    missed = (probability[label == 1] < point.authentic_below).mean()
    assert 0.015 < accused <= 0.02
    assert 0.095 < missed <= 0.10


def test_ordinary_photographs_keep_the_rate_on_their_own():
    rows, logit = drawn(2000)
    photographs = [sample(0, "photographs")] * 100
    their_logit = np.linspace(2, 4, 100)
    calibrated, point = fit_operating_point(
        rows + photographs, np.concatenate([logit, their_logit]), RATES
    )
    assert (calibrated.probability(their_logit) >= point.manipulated_from).sum() == 2


def test_autoencoder_pictures_move_nothing():
    rows, logit = drawn(500)
    apart = [sample(1, "autoencoder")] * 100
    with_them = fit_operating_point(
        rows + apart, np.concatenate([logit, np.full(100, -9.0)]), RATES
    )
    assert with_them == fit_operating_point(rows, logit, RATES)


def test_a_perfect_network_needs_no_band():
    rows, _ = drawn(400)
    logit = np.array([8.0 if row.label else -8.0 for row in rows])
    _, point = fit_operating_point(rows, logit, RATES)
    assert point.authentic_below == point.manipulated_from
    assert sigmoid(np.array([-8.0]))[0] < point.manipulated_from < sigmoid(np.array([8.0]))[0]


def test_reals_that_were_saved_again_keep_the_rate_on_their_own():
    rows, logit = drawn(2000)
    copies = [logit + 1.0, logit - 2.0]
    calibrated, point = fit_operating_point(rows, logit, RATES, resaved=[(rows, c) for c in copies])
    real = np.array([row.label for row in rows]) == 0
    accused = [
        (calibrated.probability(version[real]) >= point.manipulated_from).mean()
        for version in (logit, *copies)
    ]
    assert 0.015 < accused[1] <= 0.02
    assert max(accused) == accused[1]


def test_photographs_that_were_saved_again_keep_the_rate_too():
    rows, logit = drawn(2000)
    rows += [sample(0, "photographs")] * 100
    photographs = np.linspace(3, 5, 100)
    logit = np.concatenate([logit, photographs - 9])
    copy = np.concatenate([logit[:2000], photographs])
    calibrated, point = fit_operating_point(rows, logit, RATES, resaved=[(rows, copy)])
    assert (calibrated.probability(photographs) >= point.manipulated_from).sum() == 2


def test_copies_move_neither_the_calibration_nor_the_lower_cut():
    rows, logit = drawn(500)
    alone, low = fit_operating_point(rows, logit, RATES)
    beside, lower = fit_operating_point(rows, logit, RATES, resaved=[(rows, logit + 3)])
    assert (alone, low.authentic_below) == (beside, lower.authentic_below)


def test_a_difference_that_validation_does_not_show_changes_no_weight():
    rows, logit = drawn(200)
    same = [
        Judged(row, prediction(("whole", x), ("cut", x), ("face", x)))
        for row, x in zip(rows, logit, strict=True)
    ]
    assert weights(same) == Combination()


def test_a_kind_that_is_noise_is_dropped():
    assert weights(drawn_views(600, face_spread=60)).face == 0


def test_a_kind_that_knows_better_weighs_more():
    assert weights(drawn_views(600, face_spread=0.8)).face == 2


def test_a_kind_that_no_picture_has_keeps_its_weight():
    assert weights(drawn_views(600, face_spread=60)).cut == 1


def test_sources_of_one_class_and_those_kept_apart_choose_no_weights():
    judged = drawn_views(400, face_spread=60)
    of_one_class = [
        replace(one, sample=replace(one.sample, source=f"only_{one.sample.label}"))
        for one in judged
    ]
    apart = [replace(one, sample=replace(one.sample, source="autoencoder")) for one in judged]
    assert weights(of_one_class) == weights(apart) == Combination()


def test_limits_leave_outside_the_stated_shares_of_pictures_and_copies():
    clean, copies = drawn_views(400, 1.0), drawn_views(400, 1.0)
    point = fit(clean, {"jpeg_70": copies}, VIEWS, RATES)
    point = point.operating_point
    seen = [one.prediction.quality for one in clean + copies]
    figures = {name: np.array([one[name] for one in seen]) for name in seen[0]}
    assert (figures["blockiness"] > point.max_blockiness).mean() <= OUTSIDE_QUALITY
    assert (figures["detail"] < point.min_detail).mean() <= OUTSIDE_QUALITY
    assert (figures["flatness"] > point.max_flatness).mean() <= OUTSIDE_QUALITY
    assert (figures["correlation"] < point.min_correlation).mean() <= OUTSIDE_QUALITY
    assert (figures["distance"] > point.max_distance).mean() == pytest.approx(OUTSIDE_DOMAIN)
    assert point.stability_transforms == STABILITY_TRANSFORMS[True]
    assert point.stability_side == 0.5


def test_a_network_without_a_distance_gets_no_limit_for_it():
    judged = drawn_views(200, 1.0)
    for one in judged:
        del one.prediction.quality["distance"]
    assert fit(judged, {}, VIEWS, RATES).operating_point.max_distance is None


def test_one_view_of_the_whole_picture_gets_no_limits_but_its_own_size():
    rows, logit = drawn(200)
    judged = [
        Judged(row, prediction(("whole", x), blockiness=1.0, detail=5.0))
        for row, x in zip(rows, logit, strict=True)
    ]
    fitted = fit(judged, {}, WHOLE, RATES)
    calibrated, point = fit_operating_point(rows, logit, RATES)
    transforms = STABILITY_TRANSFORMS[False]
    assert fitted.operating_point == replace(
        point, min_side_px=128, stability_transforms=transforms
    )
    assert (fitted.calibration, fitted.face_calibration) == (calibrated, None)


def test_everything_is_fitted_to_the_combined_logits():
    judged = drawn_views(600, face_spread=0.8)
    fitted = fit(judged, {}, VIEWS, RATES)
    logit = combined(fitted.combination, judged)
    by_hand = [(w + 2 * f) / 3 for (_, w), (_, f) in (one.prediction.view_logits for one in judged)]
    assert logit == pytest.approx(by_hand)
    rows = [one.sample for one in judged]
    assert fitted.calibration == fit_operating_point(rows, logit, RATES)[0]


def with_copies(judged: list[Judged], spread: float) -> list[Judged]:
    """Two copies each, whose whole views lie this far from the picture's."""
    noise = np.random.default_rng(5).normal(0, spread, (len(judged), 2))
    changed = []
    for one, both in zip(judged, noise, strict=True):
        (_, whole), face = one.prediction.view_logits
        copies = tuple((("whole", whole + off), face) for off in both)
        changed.append(replace(one, prediction=replace(one.prediction, copy_logits=copies)))
    return changed


@pytest.mark.parametrize(("spread", "share"), [(0.1, 2 / 3), (30.0, 0.0)])
def test_copies_count_as_far_as_they_hardly_cost_auc(spread: float, share: float):
    judged = with_copies(drawn_views(600, face_spread=0.8), spread)
    assert fit(judged, {}, VIEWS, RATES).combination.copies == share


def test_a_combined_logit_counts_the_copies():
    [one] = with_copies(drawn_views(1, face_spread=0.8), 1.0)
    rule = Combination(copies=2 / 3)
    own, *copies = (
        rule.combine(("whole", "face"), np.array([x for _, x in views]))
        for views in (one.prediction.view_logits, *one.prediction.copy_logits)
    )
    assert combined(rule, [one]) == pytest.approx([(own + sum(copies)) / 3])


def test_faces_are_calibrated_by_the_largest_of_each_picture():
    judged = drawn_views(600, face_spread=1.5)
    crowd = [
        replace(
            one,
            prediction=replace(
                one.prediction, view_logits=(*one.prediction.view_logits, ("face", 50.0))
            ),
        )
        for one in judged
    ]
    alone, beside = (fit(part, {}, VIEWS, RATES).face_calibration for part in (judged, crowd))
    assert alone == beside
    assert alone.n == 600


def test_a_test_row_is_refused_before_anything_is_fitted_to_it():
    judged = drawn_views(60, 1.0)
    judged[7] = replace(judged[7], sample=replace(judged[7].sample, split="test"))
    with pytest.raises(ValueError, match="validation rows alone"):
        fit(judged, {}, VIEWS, RATES)


def test_scenes_that_say_little_are_drawn_to_the_middle():
    generator = np.random.default_rng(3)
    judged = []
    for at in range(800):
        label, has_face = at % 2, at % 4 < 2
        x = float(generator.normal((2.0 if has_face else 0.3) * (2 * label - 1), 1.0))
        views = [("whole", x), ("face", x)] if has_face else [("whole", x)]
        judged.append(Judged(sample(label), prediction(*views)))
    rule = weights(judged)
    assert 0 < rule.faceless_scale < 0.4
    assert abs(rule.faceless_offset) < 0.5
