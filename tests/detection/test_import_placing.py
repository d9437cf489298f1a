"""Splits of imported files: near copies and groups stay together, whatever dataset they are in."""

from typing import Any

import pytest

from accounts.models import User
from detection.models import Dataset, ImportedFile, LabelledImage
from detection.services import (
    datasets,
    import_placing,
)
from ml.datasets.splits import SHARES
from tests import archives
from tests.labelled import became, imported, manifest

pytestmark = pytest.mark.django_db
Outcome = ImportedFile.Outcome


@pytest.fixture
def dataset(dora: User) -> Dataset:
    return datasets.create(by=dora, name="Portraits", licence="CC BY 4.0")


# --- splits


def test_splits_have_their_shares_of_each_label(dataset: Dataset):
    row = imported(dataset, archives.labelled(300, side=64))
    assert row.outcome == {"added": 300}
    assert row.done == row.total == 300
    for one in datasets.counts(dataset):
        wanted = 150 * SHARES[LabelledImage.Split.values.index(one.split)]
        assert abs(one.real - wanted) <= 2
        assert abs(one.fake - wanted) <= 2
    assert [one.split for one in datasets.counts(dataset)] == ["train", "val", "test"]


def test_near_copies_of_one_import_are_one_group(dataset: Dataset):
    files = archives.labelled(40)
    copies = {f"Fake/copy-{at:04}.jpg": archives.resaved(at) for at in range(0, 40, 2)}
    copies["Real/mirror.jpg"] = archives.mirrored(1)
    assert imported(dataset, {**files, **copies}).outcome == {"added": 61}
    groups = LabelledImage.objects.values_list("group", "split")
    assert len(set(groups)) == 40
    assert len({group for group, _ in groups}) == 40


def test_near_copies_join_the_split_of_what_is_there(dataset: Dataset, dora: User):
    other = datasets.create(by=dora, name="Other", licence="CC0")
    imported(dataset, archives.labelled(20))
    row = imported(other, {f"Fake/{at}.jpg": archives.resaved(at) for at in range(20)})
    assert row.outcome == {"added": 20}
    found = set(LabelledImage.objects.values_list("group", "split"))
    assert len(found) == 20


def test_a_manifests_split_is_refused_where_a_near_copy_is_in_another(dataset: Dataset):
    first = {"manifest.csv": manifest("0.jpg,real,s,,,test,,"), "0.jpg": archives.pictures(1)[0]}
    imported(dataset, first)
    rows = manifest("1.jpg,real,s,,,train,,", "2.jpg,real,s,,,test,,")
    row = imported(
        dataset,
        {
            "manifest.csv": rows,
            "1.jpg": archives.resaved(0),
            "2.jpg": archives.resaved(0, quality=80),
        },
    )
    assert became(row) == {"1.jpg": Outcome.OTHER_SPLIT, "2.jpg": Outcome.ADDED}
    assert " test" in row.files.get(name="1.jpg").note


def test_near_copies_that_one_manifest_tears_apart_keep_the_first(dataset: Dataset):
    rows = manifest("a.jpg,real,s,,,val,,", "b.jpg,real,s,,,train,,", "c.jpg,real,s,,,,,")
    row = imported(
        dataset,
        {
            "manifest.csv": rows,
            "a.jpg": archives.pictures(1)[0],
            "b.jpg": archives.resaved(0),
            "c.jpg": archives.resaved(0, quality=80),
        },
    )
    assert became(row) == {
        "a.jpg": Outcome.ADDED,
        "b.jpg": Outcome.OTHER_SPLIT,
        "c.jpg": Outcome.ADDED,
    }
    assert set(LabelledImage.objects.values_list("split", flat=True)) == {"val"}


def test_a_picture_between_two_splits_is_refused(dataset: Dataset, monkeypatch: Any):
    rows = manifest("1.jpg,real,s,,,train,,", "2.jpg,real,s,,,test,,")
    first, second, third = archives.pictures(3)
    imported(dataset, {"manifest.csv": rows, "1.jpg": first, "2.jpg": second})
    monkeypatch.setattr(import_placing, "near_pairs", lambda new, known: {(0, 0), (0, 1)})
    row = imported(dataset, {"Real/3.jpg": third})
    assert became(row) == {"Real/3.jpg": Outcome.OTHER_SPLIT}
