from dataclasses import replace
from pathlib import Path

import pytest

from ml.artifact import ARTIFACTS, DEFAULT_ARTIFACT, Artifact, shipped_hashes
from ml.model_card import render

DOCS = Path(__file__).parents[2] / "docs"
CARDS = {"default": "model-card.md", "paper_cnn": "model-card-paper_cnn.md"}


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return Artifact.read(DEFAULT_ARTIFACT, registered=shipped_hashes())


@pytest.mark.parametrize("name", CARDS)
def test_the_cards_in_the_documentation_are_the_shipped_artifacts(name: str):
    shipped = Artifact.read(ARTIFACTS / name, registered=shipped_hashes())
    assert (DOCS / CARDS[name]).read_text() == render(shipped)


def test_every_shipped_artifact_has_its_card():
    assert set(CARDS) == {path.name for path in ARTIFACTS.iterdir() if path.is_dir()}


def test_it_says_what_the_licences_allow_and_what_the_network_cannot_do(artifact: Artifact):
    card = render(artifact)
    assert all(sentence in card for sentence in (*artifact.licence_notes, *artifact.limits))


def test_every_source_has_its_false_accusations_with_an_interval(artifact: Artifact):
    card = render(artifact)
    for source, row in artifact.metrics["test"].items():
        accused = row["false_accusations"]
        if accused["value"] is not None:
            shown = [f"{accused[key] * 100:.1f}" for key in ("value", "low", "high")]
            assert f"| {source} |" in card
            assert f"{shown[0]} ({shown[1]}–{shown[2]})" in card


def test_another_threshold_changes_the_card(artifact: Artifact):
    point = replace(artifact.operating_point, manipulated_from=0.999)
    assert "0.999" in render(replace(artifact, operating_point=point))


def test_it_says_what_makes_a_verdict_unstable(artifact: Artifact):
    side, same = (
        render(
            replace(artifact, operating_point=replace(artifact.operating_point, stability_side=s))
        )
        for s in (0.5, None)
    )
    assert "`unstable`: the verdict is decided, and P(fake) crosses 0.50 under" in side
    assert "`unstable`: a decided verdict changes under" in same


def test_it_says_how_far_copies_have_a_say(artifact: Artifact):
    has, lacks = (
        render(replace(artifact, combination=replace(artifact.combination, copies=share)))
        for share in (0.5, 0.0)
    )
    assert "the logit moves 0.50 of the way to their mean" in has
    assert "the way to their mean" not in lacks


def test_it_names_the_source_whose_reals_are_accused_most(artifact: Artifact):
    quiet = {"value": 0.01, "low": 0.0, "high": 0.1, "n": 50}
    loud = {"value": 0.2, "low": 0.1, "high": 0.3, "n": 40}
    rows = artifact.metrics["test"]
    changed = {
        source: {**row, "false_accusations": loud if source == "photoshop" else quiet}
        for source, row in rows.items()
    }
    card = render(replace(artifact, metrics={**artifact.metrics, "test": changed}))
    assert "the reals of `photoshop`: 20.0 (10.0–30.0) per cent of 40" in card
