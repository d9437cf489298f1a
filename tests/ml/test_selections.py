import hashlib
from pathlib import Path

import numpy as np
import pytest

from ml.configs.original_protocol import CONFIG as ORIGINAL
from ml.configs.paper_cnn import CONFIG as DEFAULT
from ml.datasets.manifest import Manifest, Sample
from ml.datasets.selections import (
    all_manipulations,
    all_manipulations_watching_few,
    generated_wholly,
    original_protocol,
    visible_manipulations,
)


def sample(n: int, label: int, source: str, split: str) -> Sample:
    sha256 = hashlib.sha256(f"{n}{label}{source}{split}".encode()).hexdigest()
    return Sample(Path(f"{sha256}.jpg"), label, source, "", sha256, split, sha256, "")


@pytest.fixture
def manifest() -> Manifest:
    sources = ("stylegan_ffhq", "dfdc", "autoencoder", "photographs")
    splits = ("train", "val", "test")
    return Manifest(
        tuple(
            sample(n, label, source, split)
            for n in range(20)
            for label in (0, 1)
            for source in sources
            for split in splits
        ),
        "0",
    )


def test_the_default_run_sees_no_test_row(manifest: Manifest):
    selection = visible_manipulations(manifest, seed=1)
    assert {s.split for s in selection.train} == {"train"}
    assert {s.split for s in selection.val} == {"val"}


def test_it_never_trains_on_photographs_kept_for_thresholds(manifest: Manifest):
    selection = visible_manipulations(manifest, seed=1)
    sources = {s.source for s in selection.train + selection.val}
    assert sources == {"stylegan_ffhq", "dfdc"}


def test_a_run_on_every_manipulation_keeps_autoencoders_and_no_test_row(manifest: Manifest):
    selection = all_manipulations(manifest, seed=1)
    assert {s.source for s in selection.train} == {"stylegan_ffhq", "dfdc", "autoencoder"}
    assert {s.split for s in selection.train} == {"train"}
    assert {s.split for s in selection.val} == {"val"}


def test_a_short_training_learns_from_as_much_and_is_watched_by_less(manifest: Manifest):
    short, whole = (
        select(manifest, seed=1) for select in (all_manipulations_watching_few, all_manipulations)
    )
    assert short.train == whole.train
    assert len(whole.val) == 120
    assert len(short.val) == len(set(short.val) & set(whole.val)) == 60


def test_a_specialist_for_generated_pictures_sees_no_swapped_face(manifest: Manifest):
    selection = generated_wholly(manifest, seed=1)
    assert {s.source for s in selection.train} == {"stylegan_ffhq", "autoencoder"}
    assert {s.split for s in selection.train} == {"train"}
    assert {s.split for s in selection.val} == {"val"}


def test_the_original_protocol_is_80_to_20_of_its_three_sources(manifest: Manifest):
    selection = original_protocol(manifest, seed=1)
    assert (len(selection.train), len(selection.val)) == (96, 24)
    assert {s.source for s in selection.train + selection.val} == {"stylegan_ffhq"}
    assert not {s.sha256 for s in selection.train} & {s.sha256 for s in selection.val}


def test_the_original_protocol_splits_as_scikit_learn_does(manifest: Manifest):
    # train_test_split(range(10), test_size=0.2, random_state=42) gives these, in this order
    order = np.random.RandomState(42).permutation(10)
    assert order[:2].tolist() == [8, 1]
    assert order[2:].tolist() == [5, 0, 7, 2, 9, 4, 3, 6]


def test_what_spends_test_rows_cannot_be_exported():
    assert not ORIGINAL.is_exportable
    assert DEFAULT.is_exportable
