"""What is said about a model's measured errors."""

from detection.limits import model_limits
from detection.models import ModelVersion

RATE = {"value": 0.0183, "low": 0.011, "high": 0.029, "n": 1234}


def test_it_says_nothing_where_nothing_was_measured() -> None:
    assert model_limits(ModelVersion()) == []


def test_it_states_each_rate_with_its_n_and_interval() -> None:
    sentences = model_limits(ModelVersion(metrics={"test": {"all": {"false_accusations": RATE}}}))
    assert sentences == [
        "On test images it had never seen, it wrongly called 1.8 % of 1,234 real ones manipulated"
        " (95 % interval: 1.1 % to 2.9 %)."
    ]


def test_it_leaves_out_a_rate_that_nothing_was_counted_for() -> None:
    nothing = {"value": None, "low": None, "high": None, "n": 0}
    assert model_limits(ModelVersion(metrics={"test": {"all": {"fakes_missed": nothing}}})) == []
