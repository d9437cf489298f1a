"""Which rows of a manifest a run learns from and which it watches."""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

import numpy as np

from ml.datasets.manifest import Manifest, Sample
from ml.datasets.replay import Replay
from ml.experiment import Selection

# Reals passed through an autoencoder carry a decoder's traces at full size and nothing else;
# the reduction to a small input erases them, and what is left is a real labelled fake.
NOT_FAKES_ONCE_REDUCED = frozenset({"autoencoder"})
# Kept for calibration, thresholds and false accusations alone.
NEVER_TRAINED_ON = frozenset({"photographs"})

# Their fakes are generated from edge to edge; those of the others are genuine beside the face.
GENERATED_WHOLLY = frozenset({"autoencoder", "gan_portraits", "stylegan_ffhq", "text_to_image"})

# Of each source and label: what a measurement that costs much is made on.
PART = 50

# Of each source and label: what a short training is watched by.
FEW = 10

# Of each source and label: old images are there to be kept in mind, and preparing them costs.
MOST_OLD = 500

PROTOCOL_SOURCES = ("stylegan_ffhq", "gan_portraits", "text_to_image")
PROTOCOL_PER_CLASS = 2000
PROTOCOL_TEST_SHARE = 0.2
PROTOCOL_RANDOM_STATE = 42


Item = TypeVar("Item")


def visible_manipulations(manifest: Manifest, seed: int) -> Selection:
    """The manifest's own train and validation splits, without what a small input cannot show."""
    left_out = NOT_FAKES_ONCE_REDUCED | NEVER_TRAINED_ON
    return Selection(
        train=tuple(s for s in manifest.split("train") if s.source not in left_out),
        val=tuple(s for s in manifest.split("val") if s.source not in left_out),
    )


def all_manipulations(manifest: Manifest, seed: int) -> Selection:
    """The manifest's own train and validation splits, autoencoder fakes among them."""
    return Selection(
        train=tuple(s for s in manifest.split("train") if s.source not in NEVER_TRAINED_ON),
        val=tuple(s for s in manifest.split("val") if s.source not in NEVER_TRAINED_ON),
    )


def generated_wholly(manifest: Manifest, seed: int) -> Selection:
    """`all_manipulations`, of the sources whose fakes a generator made from edge to edge."""
    chosen = all_manipulations(manifest, seed)
    return Selection(
        train=tuple(s for s in chosen.train if s.source in GENERATED_WHOLLY),
        val=tuple(s for s in chosen.val if s.source in GENERATED_WHOLLY),
    )


def all_manipulations_watching_few(manifest: Manifest, seed: int) -> Selection:
    """`all_manipulations`, with few validation images: they say whether it learns, and no more."""
    chosen = all_manipulations(manifest, seed)
    watched = thinned(chosen.val, lambda row: (row.source, row.label), FEW)
    return Selection(train=chosen.train, val=tuple(watched))


def thinned(
    rows: Iterable[Item], kind: Callable[[Item], Hashable], limit: int = PART
) -> list[Item]:
    """At most so many rows of each kind, evenly from all of them, kinds one after another."""
    groups: dict[Hashable, list[Item]] = {}
    for row in rows:
        groups.setdefault(kind(row), []).append(row)
    kept = []
    for group in groups.values():
        wanted = min(limit, len(group))
        kept += [group[at * len(group) // wanted] for at in range(wanted)]
    return kept


def with_replay(
    samples: Iterable[Sample], replay: Replay, most: int = MOST_OLD
) -> tuple[Sample, ...]:
    """All new rows and at most so many old ones of each source and label, in their order."""
    rows = list(samples)
    old = [row for row in rows if replay.is_old(row)]
    some = {row.sha256 for row in thinned(old, lambda row: (row.source, row.label), most)}
    return tuple(row for row in rows if not replay.is_old(row) or row.sha256 in some)


def original_protocol(manifest: Manifest, seed: int) -> Selection:
    """The original code's split: 80/20, not stratified, not grouped, test watched as validation.

    Rows of every split are drawn, test rows too, so nothing trained this way may be registered.
    Repeats `train_test_split(test_size=0.2, random_state=42)`: one permutation, its head is the
    test set.
    """
    drawn = [*_drawn(manifest, 0, seed), *_drawn(manifest, 1, seed)]
    order = np.random.RandomState(PROTOCOL_RANDOM_STATE).permutation(len(drawn))
    n_test = int(np.ceil(PROTOCOL_TEST_SHARE * len(drawn)))
    return Selection(
        train=tuple(drawn[at] for at in order[n_test:]),
        val=tuple(drawn[at] for at in order[:n_test]),
    )


def _drawn(manifest: Manifest, label: int, seed: int) -> list[Sample]:
    rows = [s for s in manifest.samples if s.label == label and s.source in PROTOCOL_SOURCES]
    order = np.random.default_rng([seed, label]).permutation(len(rows))
    return [rows[at] for at in sorted(order[:PROTOCOL_PER_CLASS])]
