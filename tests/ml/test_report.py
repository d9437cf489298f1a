from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ml.datasets.manifest import Sample, read_manifest
from ml.decision import Verdict
from ml.evaluation import POOLED
from ml.inference import Prediction
from ml.judging import CLEAN, Judged
from ml.report import CURVE_POINTS, Scope, _curves, _failures, _vetoes, build_report
from tests.images import encode
from tests.ml.tiny import POINT, write_artifact, write_manifest

# Red of each picture: fakes should be red. Two are wrong, one is undecided.
PICTURES = (
    ("swaps", "fake", "splice of 7.jpg", 250),
    ("swaps", "fake", "splice of 8.jpg", 20),
    ("swaps", "real", "", 10),
    ("swaps", "real", "", 128),
    ("camera", "real", "", 5),
    ("camera", "real", "", 240),
    ("autoencoder", "fake", "autoencoded", 15),
)
SCOPE = Scope(cells=("jpeg_70", "darker", "scale_25"), copies=("jpeg_70",))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("report")
    rows = []
    for at, (source, label, method, red) in enumerate(PICTURES):
        image = Image.new("RGB", (40, 40), (red, 0, at))
        (folder / f"{at}.png").write_bytes(encode(image, "PNG"))
        row = {"path": f"{at}.png", "label": label, "split": "test"}
        rows.append({**row, "source": source, "method": method})
    samples = read_manifest(write_manifest(folder, rows)).samples
    write_artifact(folder / "artifact")
    write_artifact(folder / "peer", point=replace(POINT, authentic_below=0.0))
    peers = (folder / "peer",)
    return build_report(folder / "artifact", samples, SCOPE, lambda *_: None, peers=peers)


def test_pictures_are_counted_by_source_and_the_apart_ones_outside_the_pool(report):
    clean = report["cells"][CLEAN]
    assert report["n"] == len(PICTURES)
    assert {name: row["n"] for name, row in clean.items()} == {
        POOLED: 6,
        "autoencoder": 1,
        "camera": 2,
        "swaps": 4,
    }
    assert clean["camera"]["false_accusations"]["value"] == 0.5
    assert clean["swaps"]["fakes_missed"]["value"] == 0.5


def test_every_cell_is_judged_and_compared(report):
    assert list(report["cells"]) == [CLEAN, *SCOPE.cells]
    assert list(report["moved"]) == list(SCOPE.cells)
    assert report["moved"]["darker"]["verdicts_changed"]["n"] == 6
    assert report["copies"]["any_changed"]["n"] == 6
    assert report["cells"]["scale_25"][POOLED]["vetoes"] == {"too_small": 6}
    assert report["moved"]["scale_25"]["coverage_kept"] == 0.0


def test_methods_lose_the_file_they_were_made_from(report):
    assert set(report["methods"]) == {"swaps: splice", "autoencoder: autoencoded"}


def test_a_peer_judges_the_same_pictures_with_its_own_cuts(report):
    [(name, peer)] = report["peers"].items()
    assert name == "red_detector 1"
    assert peer[POOLED]["auc"] == report["cells"][CLEAN][POOLED]["auc"]
    assert peer[POOLED]["reals_cleared"]["value"] == 0.0


def test_wrong_verdicts_are_listed_the_surest_first(report):
    assert [one["file"] for one in report["failures"]] == ["5.png", "1.png"]
    accused, missed = report["failures"]
    assert (accused["label"], accused["verdict"]) == ("real", "likely_manipulated")
    assert (missed["source"], missed["verdict"]) == ("swaps", "likely_authentic")
    assert missed["probability"] < 0.05
    assert {"faces", "blockiness", "detail"} <= set(missed)


def test_faithfulness_is_of_what_was_called_manipulated(report):
    assert report["faithfulness"]["n"] == 2


def test_curves_leave_out_what_has_one_class(report):
    curves = report["curves"]
    assert set(curves["roc"]) == {POOLED, "swaps"}
    assert curves["roc"][POOLED][0] == [0, 0]
    assert curves["roc"][POOLED][-1] == [1, 1]
    assert sum(curves["probability"]["real"]) == 4
    assert sum(one["n"] for one in curves["reliability"]) == 6


def judged(label: int, probability: float | None, reasons: tuple[str, ...] = ()) -> Judged:
    logit = 0.0 if probability is None else float(np.log(probability / (1 - probability)))
    empty, verdict = np.zeros((0, 0), np.float32), POINT.decide(probability, reasons)
    said = Prediction(logit, probability or 0, probability, verdict, reasons, empty, (), {}, {})
    return Judged(Sample(Path("x.png"), label, "drawn", "", "g", "test", "0", "ours"), said)


def test_a_veto_answers_for_the_verdicts_that_it_alone_withheld():
    found = _vetoes(
        [
            judged(1, 0.9, ("unstable",)),
            judged(0, 0.9, ("unstable",)),
            judged(0, 0.5, ("unstable",)),
            judged(0, 0.9, ("out_of_domain", "unstable")),
            judged(0, None, ("too_small",)),
            judged(0, 0.9),
        ],
        POINT,
    )
    assert found == {
        "out_of_domain": {"raised": 1, "withheld": 0, "withheld_wrong": 0},
        "too_small": {"raised": 1, "withheld": 0, "withheld_wrong": 0},
        "unstable": {"raised": 4, "withheld": 2, "withheld_wrong": 1},
    }


def test_undecided_and_right_verdicts_are_no_failures():
    rows = [judged(0, 0.1), judged(1, 0.9), judged(0, 0.5), judged(0, 0.9, ("unstable",))]
    assert _failures(rows) == []
    assert judged(0, 0.9, ("unstable",)).prediction.verdict is Verdict.INCONCLUSIVE


def test_a_long_curve_keeps_its_ends():
    generator = np.random.default_rng(1)
    probability = generator.uniform(0.01, 0.99, 1000)
    rows = [judged(int(generator.random() < p), float(p)) for p in probability]
    [*_, last] = points = _curves(rows)["roc"][POOLED]
    assert len(points) <= CURVE_POINTS
    assert (points[0], last) == ([0, 0], [1, 1])
