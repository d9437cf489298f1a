"""What is said about a model's measured errors."""

from detection.limits import limit_beside, model_limits
from detection.models import ModelVersion

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
