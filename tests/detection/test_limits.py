"""What is said about a model's measured errors."""

import json

import pytest

from detection.expected_share import Expectation
from detection.limits import in_a_hundred, limit_beside, model_limits, rare_fakes, share_note
from detection.models import ModelVersion
from ml.artifact import DEFAULT_ARTIFACT

RATE = {"value": 0.0183, "low": 0.011, "high": 0.029, "n": 1234}


def test_it_says_nothing_where_nothing_was_measured() -> None:
    assert model_limits(ModelVersion()) == {}


def test_it_states_each_rate_with_its_n_and_interval() -> None:
    limits = model_limits(ModelVersion(metrics={"test": {"all": {"false_accusations": RATE}}}))
    plain = {name: text.replace("\N{NO-BREAK SPACE}", " ") for name, text in limits.items()}
    assert plain == {
        "false_accusations": "On test images it had never seen, it wrongly called 1.8 % of 1,234"
        " real ones manipulated (95 % interval: 1.1 % to 2.9 %)."
    }


def test_it_leaves_out_a_rate_that_nothing_was_counted_for() -> None:
    nothing = {"value": None, "low": None, "high": None, "n": 0}
    assert model_limits(ModelVersion(metrics={"test": {"all": {"fakes_missed": nothing}}})) == {}


def test_the_limit_beside_a_verdict_says_how_often_that_verdict_is_wrong() -> None:
    limits = model_limits(
        ModelVersion(
            operating_point={"max_false_accusation_rate": 0.02, "max_missed_fake_rate": 0.1},
            metrics={"test": {"all": {"fakes_missed": RATE}}},
        )
    )
    assert "fake ones authentic" in limit_beside("likely_authentic", limits)
    assert "at most 2\N{NO-BREAK SPACE}%" in limit_beside("likely_manipulated", limits)
    assert limit_beside("inconclusive", limits) == ""
    assert limit_beside("", limits) == ""


def _share(count: int, n: int) -> dict[str, float | int]:
    return {"value": round(count / n, 4), "low": 0.0, "high": 1.0, "n": n}


@pytest.fixture
def measured() -> ModelVersion:
    """Of 400 reals and 100 fakes it accuses 12 and 38, and clears 90 and 10."""
    rates = {
        "false_accusations": _share(12, 400),
        "reals_cleared": _share(90, 400),
        "fakes_caught": _share(38, 100),
        "fakes_missed": _share(10, 100),
    }
    return ModelVersion(name="m", version="1", metrics={"test": {"all": rates}})


def _plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_beside_a_clearance_stands_how_many_of_the_cleared_were_fake(
    measured: ModelVersion,
) -> None:
    text = _plain(limit_beside("likely_authentic", model_limits(measured)))
    assert "Of the 100 test images it called authentic, 10 % were fake" in text
    assert "where 20 % of all test images were fake" in text
    assert "wrongly called 10 % of 100 fake ones authentic" in text


def test_beside_an_accusation_stands_how_many_of_the_accused_were_real(
    measured: ModelVersion,
) -> None:
    text = _plain(limit_beside("likely_manipulated", model_limits(measured)))
    assert "Of the 50 test images it called manipulated, 24 % were real" in text
    assert "(95 % interval: 14.3 % to 37.4 %)" in text  # Wilson for 12 of 50
    assert "where 80 % of all test images were real" in text


@pytest.mark.parametrize("missing", ["fakes_missed", "reals_cleared"])
def test_it_counts_no_clearances_where_one_of_the_rates_is_missing(
    measured: ModelVersion, missing: str
) -> None:
    del measured.metrics["test"]["all"][missing]
    assert "fakes_among_cleared" not in model_limits(measured)


def test_a_verdict_that_was_never_given_has_no_share_of_wrong_ones(measured: ModelVersion) -> None:
    measured.metrics["test"]["all"] |= {
        "fakes_caught": _share(0, 100),
        "false_accusations": _share(0, 400),
    }
    assert "reals_among_accused" not in model_limits(measured)


def test_the_example_multiplies_the_measured_rates(measured: ModelVersion) -> None:
    example = rare_fakes(measured)
    assert (example["images"], example["fakes"]) == ("1,000", "50")
    assert (example["fakes_accused"], example["reals_accused"]) == ("19", "28")  # 28.5, to even
    assert example["is_mostly_wrong"]
    assert rare_fakes(ModelVersion()) == {}


@pytest.mark.parametrize(
    ("probability", "count"),
    [
        (0.0, "fewer than 1 are"),
        (0.004, "fewer than 1 are"),
        (0.006, "about 1 are"),
        (0.934, "about 93 are"),
        (0.994, "about 99 are"),
        (0.996, "more than 99 are"),
        (1.0, "more than 99 are"),
    ],
)
def test_a_probability_in_images_is_never_all_or_none(probability: float, count: str) -> None:
    text = _plain(in_a_hundred(Expectation(probability, 0.2, 0.5)))
    assert count in text
    assert "if 20 % of all submitted are" in text


@pytest.mark.parametrize(
    ("calibrated_at", "source"),
    [
        (0.2, "20 % of the images that this number was fitted on were manipulated."),
        (0.5, "An administrator expects 20 % of the images sent here to be manipulated."),
    ],
)
def test_the_share_beside_a_number_in_images_says_where_it_is_from(
    calibrated_at: float, source: str
) -> None:
    text = _plain(share_note(Expectation(0.9, 0.2, calibrated_at)))
    other = " If fewer of those you get are, the real chance is lower; if more, higher."
    assert text == source + other


def test_the_shipped_model_states_what_its_verdicts_were_worth() -> None:
    metrics = json.loads((DEFAULT_ARTIFACT / "model.json").read_text())["metrics"]
    limits = model_limits(ModelVersion(metrics=metrics))
    assert {"reals_among_accused", "fakes_among_cleared"} <= limits.keys()
    assert rare_fakes(ModelVersion(metrics=metrics))
