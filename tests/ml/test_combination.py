import json

import numpy as np
import pytest

from ml.combination import FACE_RULES, Combination

KINDS = ("whole", "cut", "cut", "face")
LOGIT = np.array([1.0, 2.0, 4.0, -3.0])


def test_equal_weights_are_the_mean_over_kinds():
    assert Combination().combine(KINDS, LOGIT) == pytest.approx((1 + 3 - 3) / 3)


def test_kinds_that_a_picture_lacks_count_for_nothing():
    heavy = Combination(cut=5.0, face=9.0)
    assert heavy.combine(["whole"], LOGIT[:1]) == 1.0
    assert heavy.combine(["whole", "face"], np.array([1.0, -3.0])) == pytest.approx(-2.6)


def test_a_kind_without_weight_counts_for_nothing():
    assert Combination(cut=0.0, face=0.0).combine(KINDS, LOGIT) == 1.0


def test_weights_count_as_often_as_they_say():
    assert Combination(whole=2.0, cut=1.0, face=0.5).combine(KINDS, LOGIT) == pytest.approx(
        (2 * 1 + 3 - 0.5 * 3) / 3.5
    )


@pytest.mark.parametrize("rule", FACE_RULES)
def test_faces_that_agree_are_as_one(rule: str):
    of_faces = Combination(whole=1e-12, face_rule=rule)
    got = of_faces.combine(["whole", *["face"] * 5], np.array([0.0, *[1.7] * 5]))
    assert got == pytest.approx(1.7)


def test_one_high_face_among_real_ones_moves_more_than_the_mean_and_less_than_the_maximum():
    kinds, logit = ["whole", *["face"] * 5], np.array([0.0, 4.0, *[-3.0] * 4])
    mean, soft, highest = (Combination(face_rule=rule).combine(kinds, logit) for rule in FACE_RULES)
    assert mean < soft < highest
    assert soft == pytest.approx((np.log(np.exp(logit[1:]).mean())) / 2)


def test_a_very_high_face_does_not_overflow():
    logit = np.array([0.0, 900.0, -900.0])
    assert Combination().combine(["whole", "face", "face"], logit) == pytest.approx(
        (900 - np.log(2)) / 2
    )


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="unknown rule 'median'"):
        Combination(face_rule="median")


@pytest.mark.parametrize("weights", [{"cut": -0.1}, {"face": -1.0}, {"whole": 0.0}])
def test_weights_that_could_leave_nothing_are_refused(weights):
    with pytest.raises(ValueError, match="weights must not be negative"):
        Combination(**weights)


def test_it_survives_the_sidecar():
    rule = Combination(cut=0.5, face=2.0, face_rule="mean")
    assert Combination.from_json(json.loads(json.dumps(rule.to_json()))) == rule


def test_a_sidecar_that_says_nothing_means_equal_weights():
    assert Combination.from_json({}) == Combination(1.0, 1.0, 1.0, "soft_maximum")


def test_a_picture_without_a_face_has_a_scale_of_its_own():
    rule = Combination(faceless_scale=0.5, faceless_offset=-1.0)
    assert rule.combine(["whole", "cut"], np.array([2.0, 4.0])) == pytest.approx(0.5)
    assert rule.combine(["whole", "face"], np.array([2.0, 4.0])) == pytest.approx(3.0)


def test_a_scale_that_reverses_the_order_is_refused():
    with pytest.raises(ValueError, match="faceless_scale"):
        Combination(faceless_scale=-0.1)


def test_copies_draw_the_logit_towards_their_mean():
    rule = Combination(copies=2 / 3)
    own, copies = np.array([1.0, 3.0]), [np.array([0.0, 1.0]), np.array([2.0, -1.0])]
    moved = rule.moved(["whole", "face"], own, copies)
    assert moved == pytest.approx([-1.5, -1.5])
    assert rule.drawn(2.0, np.array([-1.5, 0.5])) == pytest.approx((2.0 + 0.5 + 2.5) / 3)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_without_copies_nothing_is_drawn(share: float):
    assert Combination(copies=share).drawn(2.5, np.array([])) == 2.5


def test_a_picture_alone_ignores_its_copies():
    assert Combination().drawn(2.5, np.array([9.0])) == 2.5


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_of_copies_is_a_share(share: float):
    with pytest.raises(ValueError, match="from 0 to 1"):
        Combination(copies=share)
