"""What nobody should decide on: the shipped detector says that it cannot tell, and why."""

import pytest

from ml.artifact import DEFAULT_ARTIFACT, shipped_hashes
from ml.decision import Verdict
from ml.inference import Predictor
from tests.ml.odd_pictures import KINDS, hidden_by_alpha, odd_picture

pytestmark = pytest.mark.slow

SEEDS = range(10)
WANTED = 0.95


@pytest.fixture(scope="module")
def shipped() -> Predictor:
    return Predictor.load(DEFAULT_ARTIFACT, registered=shipped_hashes())


@pytest.fixture(scope="module")
def answers(shipped: Predictor) -> dict[str, list[bool]]:
    """Whether each picture of each kind is inconclusive for a stated reason."""
    return {
        kind: [
            prediction.verdict is Verdict.INCONCLUSIVE and bool(prediction.reasons)
            for prediction in shipped.predict([odd_picture(kind, seed) for seed in SEEDS])
        ]
        for kind in KINDS
    }


def test_nearly_all_odd_pictures_are_inconclusive_for_a_reason(answers):
    decided = {kind: row.count(False) for kind, row in answers.items() if not all(row)}
    total = len(KINDS) * len(SEEDS)
    assert sum(decided.values()) <= (1 - WANTED) * total, decided


def test_what_is_hidden_by_transparency_is_never_decided(shipped: Predictor):
    for prediction in shipped.predict([hidden_by_alpha(seed) for seed in range(3)]):
        assert prediction.verdict is Verdict.INCONCLUSIVE
        assert "transparency" in prediction.reasons
