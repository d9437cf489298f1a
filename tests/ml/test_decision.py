import math
from dataclasses import replace

import pytest

from ml.decision import REASONS, OperatingPoint, Verdict, stated_reasons

POINT = OperatingPoint(0.2, 0.8, 0.02, 0.1, stability_transforms=("jpeg_85",))


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [
        (0.0, Verdict.LIKELY_AUTHENTIC),
        (0.1999, Verdict.LIKELY_AUTHENTIC),
        (0.2, Verdict.INCONCLUSIVE),
        (0.7999, Verdict.INCONCLUSIVE),
        (0.8, Verdict.LIKELY_MANIPULATED),
        (1.0, Verdict.LIKELY_MANIPULATED),
        (math.nan, Verdict.INCONCLUSIVE),
    ],
)
def test_it_compares_a_probability_with_both_cuts(probability, verdict):
    assert POINT.decide(probability, ()) is verdict


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_any_reason_makes_it_inconclusive(reason, probability):
    assert POINT.decide(probability, (reason,)) is Verdict.INCONCLUSIVE


def test_no_probability_is_inconclusive():
    assert POINT.decide(None, ()) is Verdict.INCONCLUSIVE


def test_a_decided_verdict_that_changes_under_a_transform_is_unstable():
    assert POINT.is_unstable(0.9, [0.85, 0.79])
    assert POINT.is_unstable(0.1, [0.2])
    assert not POINT.is_unstable(0.9, [0.81, 1.0])


def test_with_a_side_to_keep_a_copy_may_be_less_sure_but_not_of_another_mind():
    point = replace(POINT, stability_side=0.5)
    assert not point.is_unstable(0.9, [0.55, 0.5])
    assert point.is_unstable(0.9, [0.95, 0.49])
    assert not point.is_unstable(0.1, [0.49])
    assert point.is_unstable(0.1, [0.5])
    assert not point.is_unstable(0.5, [0.0, 1.0])


def test_an_undecided_verdict_is_never_unstable():
    assert not POINT.is_unstable(0.5, [0.0, 1.0])


def test_a_cut_above_one_never_accuses():
    point = OperatingPoint(0.2, math.nextafter(1.0, 2.0), 0.02, 0.1)
    assert point.compare(1.0) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("low", "high"), [(0.8, 0.2), (-0.1, 0.5), (math.nan, 0.5)])
def test_it_refuses_cuts_that_are_out_of_order(low, high):
    with pytest.raises(ValueError, match="authentic_below"):
        OperatingPoint(low, high, 0.02, 0.1)


def test_it_survives_the_sidecar():
    assert OperatingPoint.from_json(POINT.to_json()) == POINT


def test_it_refuses_a_field_it_does_not_know():
    with pytest.raises(TypeError, match="surprise"):
        OperatingPoint.from_json({**POINT.to_json(), "surprise": 1})


def test_an_inconclusive_verdict_always_has_a_stated_reason():
    assert stated_reasons(Verdict.INCONCLUSIVE, 0.5, ()) == ("between_thresholds",)
    assert stated_reasons(Verdict.INCONCLUSIVE, 0.5, ("unstable",)) == ("unstable",)
    assert stated_reasons(Verdict.INCONCLUSIVE, None, ("too_small",)) == ("too_small",)


@pytest.mark.parametrize("verdict", [Verdict.LIKELY_AUTHENTIC, Verdict.LIKELY_MANIPULATED, None])
def test_a_decided_verdict_needs_none(verdict):
    assert stated_reasons(verdict, 0.5, ()) == ()
