"""Old images among new ones: who is kept, and how often each is shown."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ml.datasets.manifest import Sample
from ml.datasets.recipe import ViewRecipe
from ml.datasets.replay import Replay, read_learnt
from ml.datasets.selections import with_replay
from ml.datasets.views import ViewPairs
from ml.errors import DatasetError
from tests.ml.tiny import Drawn, store_of


def row(number: int, label: int = 0, source: str = "s") -> Sample:
    sha256 = f"{number:064x}"
    return Sample(Path(sha256), label, source, "", sha256, "train", sha256, "ours")


def replay_of(old: list[Sample], share: float = 0.5) -> Replay:
    return Replay(share, frozenset(one.sha256 for one in old))


def shown(replay: Replay, rows: list[Sample], seed: int = 1) -> Counter[bool]:
    order = replay.one_epoch(rows, np.random.default_rng(seed))
    return Counter(replay.is_old(rows[at]) for at in order)


@pytest.mark.parametrize(("share", "n_old"), [(0.5, 40), (0.2, 10), (0.75, 120)])
def test_an_epoch_shows_every_new_row_and_the_old_ones_in_their_share(share, n_old):
    old, new = [row(at) for at in range(300)], [row(at) for at in range(300, 340)]
    assert shown(replay_of(old, share), old + new) == {True: n_old, False: 40}


def test_few_old_rows_come_more_than_once():
    old, new = [row(at) for at in range(7)], [row(at) for at in range(7, 27)]
    replay = replay_of(old)
    order = replay.one_epoch(old + new, np.random.default_rng(1))
    times = Counter(at for at in order if at < 7)
    assert sum(times.values()) == 20
    assert set(times.values()) <= {2, 3}


def test_each_epoch_draws_other_old_rows():
    old, new = [row(at) for at in range(100)], [row(100)]
    replay, rows = replay_of(old), [*old, row(100)]
    drawn = {min(replay.one_epoch(rows, np.random.default_rng([1, epoch]))) for epoch in range(6)}
    assert len(new) == 1
    assert len(drawn) > 2


@pytest.mark.parametrize("has_old", [True, False])
def test_without_either_kind_every_row_is_shown_once(has_old):
    rows = [row(at) for at in range(9)]
    replay = replay_of(rows if has_old else [])
    assert sorted(replay.one_epoch(rows, np.random.default_rng(1))) == list(range(9))


def test_of_old_rows_some_of_each_source_and_label_are_kept_and_all_new_ones():
    old = [row(at, label=at % 2, source="ab"[at % 4 // 2]) for at in range(40)]
    new = [row(at) for at in range(40, 50)]
    kept = with_replay(old + new, replay_of(old), 3)
    assert kept[-10:] == tuple(new)
    assert set(Counter((one.source, one.label) for one in kept[:-10]).values()) == {3}
    assert len(kept) == 22


def test_what_was_learnt_is_one_hash_a_line(tmp_path: Path):
    path = tmp_path / "learnt.txt"
    path.write_text("a" * 64 + "\n" + "b" * 64 + "\n")
    assert read_learnt(path) == {"a" * 64, "b" * 64}


# --- the same for pairs of views


def pictures(source: str, labels: str, start: int) -> list[Drawn]:
    return [
        Drawn(np.full((32, 32, 3), start + at, np.uint8), int(label), source)
        for at, label in enumerate(labels)
    ]


def pools(*groups: list[Drawn], old: int, share: float = 0.5) -> ViewPairs:
    """The first so many groups are old."""
    samples, store = store_of([one for group in groups for one in group])
    known = {one.sha256 for group in groups[:old] for one in group}
    return ViewPairs(ViewRecipe(), samples, store, replay=Replay(share, frozenset(known)))


def test_old_pools_together_get_their_share_whatever_their_sizes():
    many = [pictures(name, "01" * 10, 40 * at) for at, name in enumerate("ab")]
    drawn = pools(*many, pictures("new", "01", 100), old=2, share=0.4)
    shares = dict(zip(drawn.by_source, drawn.source_shares, strict=True))
    assert shares == pytest.approx({"a, learnt before": 0.2, "b, learnt before": 0.2, "new": 0.6})


def test_new_fakes_of_an_old_source_are_paired_with_its_old_reals():
    drawn = pools(pictures("a", "0011", 0), pictures("a", "111", 50), old=1)
    reals, fakes = drawn.by_source["a"]
    assert (len(reals), len(fakes)) == (2, 3)


def test_a_source_of_one_class_teaches_pairs_nothing():
    drawn = pools(pictures("a", "01", 0), pictures("camera", "000", 50), old=1)
    assert set(drawn.by_source) == {"a, learnt before"}
    with pytest.raises(DatasetError, match="both reals and fakes"):
        pools(pictures("camera", "000", 50), old=0)
