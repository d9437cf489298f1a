import pytest

from ml.gate import obstacles


def report(auc: float = 0.9, accused: float = 0.01, resaved: float = 0.01, n: int = 100) -> dict:
    def cell(rate: float) -> dict:
        row = {"auc": {"value": auc}, "false_accusations": {"value": rate}}
        return {"all": row, "photographs": {"auc": {"value": None}, "false_accusations": {}}}

    return {"n": n, "cells": {"clean": cell(accused), "jpeg_70": cell(resaved)}}


def test_an_equal_model_may_follow():
    assert obstacles(report(), report()) == []


def test_a_fall_within_the_tolerance_is_let_through():
    assert obstacles(report(auc=0.881), report(auc=0.9)) == []


def test_a_fall_in_any_cell_is_named():
    found = obstacles(report(auc=0.87), report(auc=0.9))
    assert found == [
        "AUC of all under clean: 0.9 before, 0.87 now",
        "AUC of all under jpeg_70: 0.9 before, 0.87 now",
    ]


def test_reals_accused_once_re_saved_stop_a_release():
    [line] = obstacles(report(resaved=0.03), report())
    assert "jpeg_70: 0.03" in line


def test_a_source_that_is_gone_has_fallen():
    last, new = report(), report()
    last["cells"]["clean"]["swaps"] = {"auc": {"value": 0.8}, "false_accusations": {}}
    assert obstacles(new, last) == ["AUC of swaps under clean: 0.8 before, None now"]


def test_reports_over_other_pictures_are_not_compared():
    with pytest.raises(ValueError, match="same pictures"):
        obstacles(report(n=99), report())
