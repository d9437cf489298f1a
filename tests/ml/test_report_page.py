import re
from copy import deepcopy
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.calibration import sigmoid
from ml.datasets.manifest import Sample
from ml.evaluation import copies_report, method_report, moved_report, verdict_report
from ml.inference import Prediction
from ml.judging import CLEAN, Judged
from ml.report_page import write_page
from tests.images import HOSTILE_NAMES
from tests.ml.tiny import POINT

SOURCES = ("dfdc", "gan_portraits", "photographs", "autoencoder")
VOID = {"meta", "br", "wbr", "path", "use", "rect"}


def judged(shift: float = 0.0) -> list[Judged]:
    generator = np.random.default_rng(2)
    rows = []
    for source in SOURCES:
        for at in range(60):
            label = 0 if source == "photographs" else at % 2
            logit = float(generator.normal(2.5 * label - 1 + shift, 1))
            score = float(sigmoid(np.array([logit]))[0])
            verdict, empty = POINT.decide(score, ()), np.zeros((0, 0), np.float32)
            said = Prediction(logit, score, score, verdict, (), empty, (), {}, {})
            path, method = Path(f"{at}.jpg"), "made" if label else ""
            rows.append(Judged(Sample(path, label, source, method, "g", "test", "0", "ours"), said))
    return rows


def failure(**changes: Any) -> dict[str, Any]:
    return {
        "file": "7.jpg",
        "source": "dfdc",
        "method": "swap",
        "label": "fake",
        "verdict": "likely_authentic",
        "probability": 0.03,
        "faces": 1,
        "blockiness": 1.25,
        "detail": 8.3,
        **changes,
    }


@pytest.fixture(scope="module")
def bare() -> dict[str, Any]:
    """A report on one picture as it is, without anything that may be missing."""
    return {
        "artifact": {"name": "network", "version": "2", "sha256": "ab" * 32},
        "n": 1,
        "cells": {CLEAN: verdict_report(judged()[:1])},
        "methods": {},
        "moved": {},
        "copies": {"any_reversed": {}, "any_changed": {}, "coverage_kept": None},
        "vetoes": {},
        "curves": {"roc": {}, "reliability": [], "probability": {"real": [], "fake": []}},
        "failures": [],
        "peers": {},
    }


@pytest.fixture
def full(whole: dict[str, Any]) -> dict[str, Any]:
    """One of a test's own, to change."""
    return deepcopy(whole)


@pytest.fixture(scope="module")
def whole(bare: dict[str, Any]) -> dict[str, Any]:
    clean, worse = judged(), judged(-2.0)
    bins = [
        {"probability": p, "share": p, "low": p - 0.1, "high": p + 0.1, "n": 9} for p in (0.2, 0.7)
    ]
    left_out = {"n": 60, "n_fake": 30, "auc": {"value": 0.611, "low": 0.5, "high": 0.7, "n": 60}}
    return {
        **bare,
        "n": len(clean),
        "cells": {CLEAN: verdict_report(clean), "jpeg_70": verdict_report(worse)},
        "methods": method_report(clean),
        "moved": {"jpeg_70": moved_report(clean, worse)},
        "copies": copies_report({CLEAN: clean, "jpeg_70": worse}),
        "vetoes": {"unstable": {"raised": 9, "withheld": 4, "withheld_wrong": 1}},
        "curves": {
            "roc": {name: [[0, 0], [0.1, 0.8], [1, 1]] for name in ("all", *SOURCES[:2])},
            "reliability": bins,
            "probability": {"real": [3, 2, 0], "fake": [0, 1, 4]},
        },
        "failures": [failure()],
        "peers": {"paper_cnn 1": verdict_report(worse)},
        "faithfulness": {
            "n": 60,
            "masked_share": 0.2,
            "fall_of_marked": 1.84,
            "fall_of_random": 0.61,
            "ahead": 0.87,
        },
        "leave_one_source_out": {
            "config": {"name": "short"},
            "sources": {"dfdc": left_out},
            "mean_auc": 0.611,
        },
    }


@pytest.fixture
def render(tmp_path: Path):
    def rendered(report: dict[str, Any]) -> str:
        write_page(report, tmp_path / "report.html")
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return rendered


class Outline(HTMLParser):
    """Element names, attributes, and whether every element is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def headings(page: str) -> list[str]:
    return re.findall("<h2>(.*?)</h2>", page)


def row(page: str, heading: str, table: str) -> str:
    """The row of a table that begins with a heading."""
    [body] = re.findall(f"<caption>{table}</caption>(.*?)</table>", page, re.DOTALL)[:1]
    [found] = re.findall(f'<th scope="row">{re.escape(heading)}</th>(.*?)</tr>', body, re.DOTALL)
    return found


def test_it_is_one_file_that_needs_nothing_and_runs_nothing(full, render):
    page = render(full)
    outline = Outline(page)
    assert not outline.open
    assert not {"script", "link", "img", "iframe", "object", "image", "a"} & set(outline.names)
    assert not re.search(r"(https?:|//www|@import|javascript:)", page)
    assert all(value.startswith("#") for key, value in outline.attributes if key == "xlink:href")
    assert not [key for key, _ in outline.attributes if key.startswith("on")]
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))


def test_no_two_plots_share_an_id(full, render):
    ids = [value for key, value in Outline(render(full)).attributes if key == "id"]
    assert ids
    assert len(ids) == len(set(ids))


def test_each_part_opens_with_how_to_read_it(full, render):
    page = render(full)
    assert headings(page) == [
        "Per source",
        "Per method",
        "Per kind of damage",
        "All copies together",
        "Vetoes",
        "Ranking",
        "Probability",
        "Sources never seen",
        "Whether the evidence map tells the truth",
        "Where it fails",
    ]
    assert page.count('</h2><p class="lead">') == len(headings(page))


def test_parts_without_data_are_left_out(bare, render):
    page = render(bare)
    assert headings(page) == ["Per source"]
    assert not Outline(page).open
    assert "None" not in page
    assert "nan" not in re.sub("<style>.*?</style>", "", page, flags=re.DOTALL).lower()


def test_a_faithfulness_of_no_pictures_is_left_out(bare, render):
    assert headings(render({**bare, "faithfulness": {"n": 0}})) == ["Per source"]


def test_every_source_stands_there_with_its_figures_beside_each_peers(full, render):
    page = render(full)
    for source, figures in full["cells"][CLEAN].items():
        name = {"all": "all sources", "autoencoder": "autoencoder (apart)"}.get(source, source)
        told = row(page, name, "Pictures as they are")
        for key in ("coverage", "reals_cleared", "fakes_caught"):
            if figures[key]["value"] is not None:
                assert f"{figures[key]['value'] * 100:.1f}\u00a0%" in told
        if figures["auc"]["value"] is not None:
            peer = full["peers"]["paper_cnn 1"][source]["auc"]
            assert f"{figures['auc']['value']:.3f}" in told
            assert f"{peer['low']:.3f}–{peer['high']:.3f}" in told


def test_a_source_of_one_class_has_dashes_where_nothing_was_counted(full, render):
    told = row(render(full), "photographs", "Pictures as they are")
    assert told.count("<td>–</td>") == 6  # both AUCs, found, caught, missed, calibration


def test_the_headline_says_how_often_the_decided_are_wrong(full, render):
    right = full["cells"][CLEAN]["all"]["decided_accuracy"]
    low, high = (1 - right["high"]) * 100, (1 - right["low"]) * 100
    page = render(full)
    assert f"<dd>{(1 - right['value']) * 100:.1f}\u00a0%</dd>" in page
    assert f"({low:.1f}–{high:.1f}\u00a0%), n\u00a0=\u00a0{right['n']}" in page
    assert full["artifact"]["sha256"] in page


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.80, "±0"),
        (0.79, ">−0.010"),
        (0.78, "▼ −0.020"),
        (0.75, "▼▼ −0.050"),
        (0.61, "▼▼▼ −0.190"),
        (0.83, "▲ +0.030"),
    ],
)
def test_a_fall_is_told_by_its_number_and_a_mark_and_not_by_colour_alone(
    full, render, value: float, told: str
):
    full["cells"][CLEAN]["dfdc"]["auc"]["value"] = 0.80
    full["cells"]["jpeg_70"]["dfdc"]["auc"]["value"] = value
    cells = row(render(full), "JPEG of quality 70", "AUC per source").split("</td>")
    [dfdc] = [cell for cell in cells if f"{value:.3f}<" in cell]
    assert told in dfdc


def test_failures_are_told_in_words(full, render):
    page = render(full)
    told = "a fake of dfdc (swap) called likely authentic at 3.0\u00a0%, one face"
    assert f"{told}, blockiness 1.25, detail 8.3<" in page


def test_a_detector_that_looks_for_no_faces_does_not_say_there_are_none(full, render):
    page = render({**full, "failures": [failure(faces=0), failure(faces=0)]})
    assert "no face" not in page
    assert "no face" in render({**full, "failures": [failure(faces=0), failure(faces=2)]})


def test_hostile_names_are_shown_and_do_nothing(full, render):
    names = [*HOSTILE_NAMES, "half \udcff.jpg", "$\\frac{.jpg"]
    plain = Outline(render(full))
    for rows in (full["cells"][CLEAN], full["cells"]["jpeg_70"], full["peers"]["paper_cnn 1"]):
        rows.update(dict.fromkeys(names, rows["dfdc"]))
    hostile = " ".join(names)
    page = render(
        {
            **full,
            "artifact": {"name": hostile, "version": hostile, "sha256": hostile},
            "methods": {hostile: full["methods"]["dfdc: made"]},
            "vetoes": {hostile: full["vetoes"]["unstable"]},
            "curves": {**full["curves"], "roc": {key: [[0, 0], [1, 1]] for key in names}},
            "failures": [failure(file=name, source=name, method=name) for name in names],
            "peers": {hostile: full["peers"]["paper_cnn 1"]},
        }
    )
    outline = Outline(page)
    assert not outline.open
    assert set(outline.names) == set(plain.names)
    assert {key for key, _ in outline.attributes} == {key for key, _ in plain.attributes}
    assert not re.search("[\u202e\u200e\u200f\x00]", page)
    for name in filter(str.isprintable, names):
        assert f'<td class="file">{escape(name)}</td>' in page
    assert "photo\\u202egpj.exe" in page


def test_figures_left_out_come_beside_the_artifacts_own(full, render):
    told = row(render(full), "dfdc", "Leave one source out")
    assert "0.611" in told
    assert f"{full['cells'][CLEAN]['dfdc']['auc']['value']:.3f}" in told
