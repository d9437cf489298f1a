"""Frozen lists of labelled images: the same rows are the same snapshot, until one is removed."""

import uuid
from pathlib import Path
from typing import Any

import pytest

from accounts.models import AuditEvent, User
from detection import storage
from detection.errors import Refused
from detection.models import Dataset, GoldenImage, LabelledImage, Snapshot
from detection.services import datasets, erasure, snapshots
from ml.datasets.manifest import read_manifest
from tests import archives
from tests.factories import files_below, image_row
from tests.labelled import imported

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset(dora: User) -> Dataset:
    made = datasets.create(by=dora, name="Portraits", licence="CC BY 4.0, as stated")
    imported(made, archives.labelled(12))
    return made


@pytest.fixture
def snapshot(dataset: Dataset, dora: User) -> Snapshot:
    return snapshots.freeze([dataset], name="first", by=dora)


def test_its_manifest_is_one_that_ml_reads(snapshot: Snapshot):
    manifest = read_manifest(snapshots.manifest_of(snapshot))
    assert len(manifest.samples) == 12
    for sample in manifest.samples:
        row = LabelledImage.objects.get(sha256=sample.sha256)
        assert (sample.label, sample.split, sample.group) == (row.label, row.split, row.group)
        assert sample.path == storage.labelled_path(row.sha256).resolve()
        assert sample.licence == "CC BY 4.0, as stated"


def test_it_counts_by_split_source_and_label(snapshot: Snapshot):
    total = sum(
        one
        for by_source in snapshot.counts.values()
        for both in by_source.values()
        for one in both.values()
    )
    assert total == 12
    assert set(snapshot.counts) == {"train", "val", "test"}
    assert snapshot.counts["val"] == {"Portraits": {"real": 1, "fake": 1}}


def test_the_same_rows_are_the_same_snapshot(snapshot: Snapshot, dataset: Dataset, dora: User):
    assert snapshots.freeze([dataset], name="again", by=dora) == snapshot
    assert AuditEvent.objects.filter(action="snapshot.frozen").count() == 1
    imported(dataset, archives.labelled(1, start=90))
    other = snapshots.freeze([dataset], name="more", by=dora)
    assert other.sha256 != snapshot.sha256
    assert snapshot.is_whole


def test_its_hash_says_nothing_of_order_paths_or_times(snapshot: Snapshot, dataset: Dataset):
    rows = list(LabelledImage.objects.select_related("dataset"))
    assert snapshots.rows_sha256(reversed(rows)) == snapshot.sha256
    rows[0].split = "test" if rows[0].split != "test" else "val"
    assert snapshots.rows_sha256(rows) != snapshot.sha256


def test_a_file_that_two_datasets_hold_is_in_it_once(dataset: Dataset, dora: User):
    other = datasets.create(by=dora, name="Other", licence="CC0")
    imported(other, archives.labelled(12))
    both = snapshots.freeze([dataset, other], name="both", by=dora)
    assert both.images.count() == len(read_manifest(snapshots.manifest_of(both)).samples) == 12


def test_nothing_makes_no_snapshot(dora: User):
    empty = datasets.create(by=dora, name="Empty", licence="CC0")
    with pytest.raises(Refused) as refusal:
        snapshots.freeze([empty], name="none", by=dora)
    assert refusal.value.code == "nothing_to_freeze"
    assert files_below("snapshots") == []


def test_near_copies_in_two_splits_are_refused_and_listed(dataset: Dataset, dora: User):
    first = LabelledImage.objects.filter(split="train").first()
    assert first is not None
    LabelledImage.objects.create(
        dataset=dataset,
        sha256="c" * 64,
        label=1,
        source="s",
        group="another",
        split="test",
        perceptual_hash=f"{int(first.perceptual_hash, 16) ^ 3:016x}",
    )
    with pytest.raises(Refused) as refusal:
        snapshots.freeze([dataset], name="torn", by=dora)
    assert refusal.value.code == "near_in_two_splits"
    assert first.sha256[:12] in refusal.value.detail
    assert "c" * 12 in refusal.value.detail


def test_a_group_in_two_splits_is_refused(dataset: Dataset, dora: User):
    row = LabelledImage.objects.filter(split="train").first()
    other = LabelledImage.objects.filter(split="test").first()
    assert row is not None
    assert other is not None
    LabelledImage.objects.filter(pk=other.pk).update(group=row.group)
    with pytest.raises(Refused) as refusal:
        snapshots.freeze([dataset], name="torn", by=dora)
    assert refusal.value.code == "near_in_two_splits"


def test_what_models_are_measured_by_is_never_in_it(dataset: Dataset, dora: User, alice: User):
    row = LabelledImage.objects.first()
    assert row is not None
    golden = GoldenImage.objects.create(
        image=image_row(alice, sha256=row.sha256), outcome="authentic", added_by=dora
    )
    frozen = snapshots.freeze([dataset], name="without", by=dora)
    assert not frozen.images.filter(sha256=golden.image.sha256).exists()
    assert frozen.images.count() == 11


def test_a_removed_image_breaks_it_and_leaves_its_manifest(
    snapshot: Snapshot, dora: User, django_capture_on_commit_callbacks: Any
):
    gone = snapshot.images.first()
    assert gone is not None
    with django_capture_on_commit_callbacks(execute=True):
        assert datasets.remove([gone], by=dora, because="administrator")
        assert not datasets.remove([gone], by=dora, because="administrator")
    snapshot.refresh_from_db()
    assert not snapshot.is_whole
    with pytest.raises(Refused) as refusal:
        snapshots.manifest_of(snapshot)
    assert refusal.value.code == "snapshot_broken"
    text = storage.snapshot_path(snapshot.sha256).read_text()
    assert gone.sha256 not in text
    assert len(text.splitlines()) == 12
    assert not storage.labelled_path(gone.sha256).exists()
    assert snapshot.images.filter(sha256=gone.sha256).exists()  # what earlier runs learnt from
    for action in ("snapshot.broken", "labelled_image.removed"):
        assert AuditEvent.objects.filter(action=action).count() == 1


def test_it_is_whole_again_where_the_very_images_are_back(
    snapshot: Snapshot, dataset: Dataset, dora: User
):
    gone = snapshot.images.first()
    assert gone is not None
    datasets.remove([gone], by=dora, because="administrator")
    back = LabelledImage.objects.get(pk=gone.pk)
    back.pk, back.removed_at = uuid.uuid4(), None
    back.save(force_insert=True)
    again = snapshots.freeze([dataset], name="again", by=dora)
    assert again == snapshot
    assert again.is_whole
    assert back in again.images.all()
    assert gone not in again.images.all()


def test_a_manifest_that_was_lost_or_moved_is_written_anew(
    snapshot: Snapshot, settings: Any, tmp_path: Path
):
    storage.snapshot_path(snapshot.sha256).unlink()
    before = snapshots.manifest_of(snapshot).read_text()
    settings.DATA_DIR.rename(tmp_path / "moved")
    settings.DATA_DIR = tmp_path / "moved"
    path = snapshots.manifest_of(snapshot)
    assert path.read_text() != before
    assert len(read_manifest(path).samples) == 12


def test_what_a_crash_left_in_a_manifest_is_forgotten_later(snapshot: Snapshot, dora: User):
    gone = snapshot.images.first()
    assert gone is not None
    datasets.remove([gone], by=dora, because="administrator")  # no callback of the commit ran
    assert gone.sha256 in storage.snapshot_path(snapshot.sha256).read_text()
    erasure.finish()
    assert gone.sha256 not in storage.snapshot_path(snapshot.sha256).read_text()
