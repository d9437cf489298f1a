import pytest

from ml.alterations import ALTERATIONS
from ml.decision import REASONS, Verdict
from ml.report_words import VERDICTS, cell_in_words, veto_in_words


@pytest.mark.parametrize("cell", ["clean", *ALTERATIONS])
def test_every_kind_of_damage_has_words(cell: str):
    assert "_" not in cell_in_words(cell)
    assert cell_in_words(cell) != cell or cell == "screenshot"


def test_no_two_kinds_of_damage_share_their_words():
    assert len({cell_in_words(cell) for cell in ALTERATIONS}) == len(ALTERATIONS)


@pytest.mark.parametrize("code", REASONS)
def test_every_veto_has_words(code: str):
    assert veto_in_words(code) != code


def test_both_decided_verdicts_have_words():
    assert set(VERDICTS) == set(Verdict) - {Verdict.INCONCLUSIVE}


def test_what_has_no_words_keeps_its_name():
    assert cell_in_words("upside_down_9") == "upside_down_9"
