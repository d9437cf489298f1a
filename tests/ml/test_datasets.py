"""Manifest, folders, splits: what goes in, and that nothing leaks or is skipped."""

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.datasets.arrays import plain_arrays
from ml.datasets.folders import read_folders, read_sets
from ml.datasets.identity import MAX_DISTANCE, perceptual_hash, same_picture_groups
from ml.datasets.layout import Place, is_data, manifest_among, place_of
from ml.datasets.manifest import (
    COLUMNS,
    EXTERNAL,
    SPLITS,
    Manifest,
    Sample,
    check_groups,
    read_manifest,
    read_rows,
)
from ml.datasets.source import read_data
from ml.datasets.splits import grouped_split, next_split, split_by_name
from ml.errors import DatasetError
from ml.preprocess import Preprocessing
from tests.images import encode, jpeg_bytes, png_bytes
from tests.ml.tiny import write_manifest

TINY = Preprocessing(16, "bicubic", 1 / 255)


def ignore(done: int, total: int) -> None:
    """Progress nobody watches."""


def rows(tmp_path: Path, n: int = 3) -> list[dict[str, str]]:
    for at in range(n):
        (tmp_path / f"{at}.jpg").write_bytes(jpeg_bytes(60, 40, seed=at))
    return [{"path": f"{at}.jpg", "label": "fake", "split": "train"} for at in range(n)]


def sample(group: str, label: int = 0, source: str = "s", split: str = "") -> Sample:
    sha256 = hashlib.sha256(f"{group}{label}{source}".encode()).hexdigest()
    return Sample(Path(group), label, source, "", group, split, sha256, "")


def test_paths_are_relative_to_the_manifest(tmp_path: Path):
    manifest = read_manifest(write_manifest(tmp_path, rows(tmp_path)))
    assert manifest.samples[0].path == tmp_path / "0.jpg"


def test_fake_is_one_and_real_is_zero(tmp_path: Path):
    listed = rows(tmp_path, 2)
    listed[1]["label"] = "real"
    manifest = read_manifest(write_manifest(tmp_path, listed))
    assert [s.label for s in manifest.samples] == [1, 0]


def test_every_wrong_row_is_listed(tmp_path: Path):
    listed = rows(tmp_path, 3)
    listed[0]["label"] = "unsure"
    listed[1]["split"] = "holdout"
    listed[2]["path"] = "gone.jpg"
    with pytest.raises(DatasetError) as caught:
        read_manifest(write_manifest(tmp_path, listed))
    assert len(caught.value.files) == 3
    assert "gone.jpg" in str(caught.value)


def test_a_manifest_without_a_column_is_refused(tmp_path: Path):
    (tmp_path / "manifest.csv").write_text("path,label\na.jpg,real\n")
    with pytest.raises(DatasetError, match="licence"):
        read_manifest(tmp_path / "manifest.csv")


def test_a_group_in_two_splits_is_refused(tmp_path: Path):
    listed = rows(tmp_path, 2)
    listed[0] |= {"group": "one video"}
    listed[1] |= {"group": "one video", "split": "test"}
    with pytest.raises(DatasetError, match="one video"):
        read_manifest(write_manifest(tmp_path, listed))


def test_the_same_file_in_two_splits_is_refused():
    first = sample("a", split="train")
    with pytest.raises(DatasetError, match=first.sha256):
        check_groups([first, replace(first, group="b", split="test")])


def test_every_unreadable_file_is_listed_and_none_is_skipped(tmp_path: Path):
    listed = rows(tmp_path, 4)
    (tmp_path / "1.jpg").write_bytes(jpeg_bytes(60, 40)[:300])
    (tmp_path / "3.jpg").write_bytes(b"not an image at all")
    samples = read_manifest(write_manifest(tmp_path, listed)).samples
    with pytest.raises(DatasetError) as caught:
        plain_arrays(samples, TINY, tmp_path / "cache", ignore)
    assert [Path(line.split(": ")[0]).name for line in caught.value.files] == ["1.jpg", "3.jpg"]
    assert not list((tmp_path / "cache").glob("*.npy"))


def test_a_file_that_is_not_the_listed_one_stops_the_run(tmp_path: Path):
    samples = read_manifest(write_manifest(tmp_path, rows(tmp_path))).samples
    (tmp_path / "2.jpg").write_bytes(jpeg_bytes(60, 40, seed=99))
    with pytest.raises(DatasetError, match="the manifest says"):
        plain_arrays(samples, TINY, tmp_path / "cache", ignore)


def test_prepared_images_are_read_back_from_the_cache(tmp_path: Path):
    samples = read_manifest(write_manifest(tmp_path, rows(tmp_path))).samples
    first = np.array(plain_arrays(samples, TINY, tmp_path / "cache", ignore))
    (tmp_path / "0.jpg").unlink()
    np.testing.assert_array_equal(plain_arrays(samples, TINY, tmp_path / "cache", ignore), first)


def test_another_preprocessing_has_a_cache_of_its_own(tmp_path: Path):
    samples = read_manifest(write_manifest(tmp_path, rows(tmp_path))).samples
    plain_arrays(samples, TINY, tmp_path / "cache", ignore)
    nearest = plain_arrays(samples, replace(TINY, resample="nearest"), tmp_path / "cache", ignore)
    assert (nearest != plain_arrays(samples, TINY, tmp_path / "cache", ignore)).any()


def test_groups_never_cross_splits():
    generator = np.random.default_rng(6)
    samples = [sample(f"g{generator.integers(60)}", int(generator.integers(2))) for _ in range(400)]
    split = grouped_split(samples, seed=1)
    check_groups(split)
    assert {one.split for one in split} == {"train", "val", "test"}


def test_both_labels_of_every_source_reach_every_split_in_their_shares():
    samples = [sample(f"{s}{lab}{n}", lab, s) for s in "ab" for lab in (0, 1) for n in range(100)]
    counts = Counter((s.source, s.label, s.split) for s in grouped_split(samples, seed=1))
    for source in "ab":
        for label in (0, 1):
            shares = [counts[source, label, split] for split in ("train", "val", "test")]
            assert shares == [80, 10, 10]


def test_a_split_is_the_same_for_the_same_seed_in_any_order():
    samples = [sample(f"g{n}") for n in range(50)]
    first = {s.group: s.split for s in grouped_split(samples, seed=3)}
    again = {s.group: s.split for s in grouped_split(samples[::-1], seed=3)}
    other = {s.group: s.split for s in grouped_split(samples, seed=4)}
    assert first == again != other


def scene(seed: int) -> Image.Image:
    """Light and dark patches with sharp detail: no two alike, as photographs are not."""
    generator = np.random.default_rng(seed)
    patches = Image.fromarray(generator.integers(0, 256, (12, 16, 3), np.uint8))
    return patches.resize((160, 120), Image.Resampling.BICUBIC)


def folders(tmp_path: Path, real: str = "Real", fake: str = "Fake") -> Path:
    for name, offset in ((real, 0), (fake, 100)):
        (tmp_path / name).mkdir()
        for at in range(12):
            content = encode(scene(offset + at), "JPEG", quality=90)
            (tmp_path / name / f"{at}.jpg").write_bytes(content)
    return tmp_path


@pytest.mark.parametrize("names", [("Real", "Fake"), ("real", "fake"), ("REAL", "fAKE")])
def test_two_folders_are_a_data_set(tmp_path: Path, names):
    manifest = read_data(folders(tmp_path, *names), seed=1, on_read=ignore)
    assert Counter(s.label for s in manifest.samples) == {0: 12, 1: 12}
    assert {s.label for s in manifest.split("val")} == {0, 1}
    assert {s.label for s in manifest.split("test")} == {0, 1}


def test_a_copy_saved_again_stays_with_its_original(tmp_path: Path):
    data = folders(tmp_path)
    for at in range(12):
        image = scene(at)
        (data / "Real" / f"copy-{at}.jpg").write_bytes(encode(image, "JPEG", quality=60))
        bigger = image.resize((320, 240))
        (data / "Real" / f"bigger-{at}.png").write_bytes(encode(bigger, "PNG"))
    manifest = read_folders(data, seed=1)
    group_of = {s.path.name: s.group for s in manifest.samples if s.label == 0}
    for at in range(12):
        assert group_of[f"{at}.jpg"] == group_of[f"copy-{at}.jpg"] == group_of[f"bigger-{at}.png"]
    assert len(set(group_of.values())) == 12


def test_the_same_file_under_two_names_is_one_group(tmp_path: Path):
    data = folders(tmp_path)
    (data / "Real" / "again.jpg").write_bytes((data / "Real" / "0.jpg").read_bytes())
    splits = {s.path.name: s.split for s in read_folders(data, seed=1).samples if s.label == 0}
    assert splits["again.jpg"] == splits["0.jpg"]


def test_a_file_in_both_folders_stops_the_run(tmp_path: Path):
    data = folders(tmp_path)
    (data / "Fake" / "same.jpg").write_bytes((data / "Real" / "3.jpg").read_bytes())
    with pytest.raises(DatasetError, match="both real and fake"):
        read_folders(data, seed=1)


def test_unreadable_files_in_folders_are_all_listed(tmp_path: Path):
    data = folders(tmp_path)
    (data / "Real" / "notes.txt").write_text("hello")
    (data / "Fake" / "cut.png").write_bytes(png_bytes(60, 40)[:200])
    with pytest.raises(DatasetError) as caught:
        read_folders(data, seed=1)
    assert {Path(line.split(": ")[0]).name for line in caught.value.files} == {
        "notes.txt",
        "cut.png",
    }


def test_a_missing_folder_is_named(tmp_path: Path):
    (tmp_path / "Real").mkdir()
    with pytest.raises(DatasetError, match=r"Fake|empty"):
        read_folders(tmp_path, seed=1)


def test_different_pictures_are_far_apart():
    hashes = [perceptual_hash(np.asarray(scene(at))) for at in range(20)]
    distances = [
        int(np.bitwise_count(a ^ b).sum()) for at, a in enumerate(hashes) for b in hashes[:at]
    ]
    assert min(distances) > MAX_DISTANCE


def test_likeness_is_passed_on():
    base = np.zeros(18, np.uint8)
    near, next_to_near = base.copy(), base.copy()
    near[0], next_to_near[:2] = 0xFF, 0xFF
    far = np.full(18, 0xFF, np.uint8)
    groups = same_picture_groups([base, far, next_to_near, near])
    assert groups[0] == groups[2] == groups[3] != groups[1]


def test_a_manifest_knows_its_splits(tmp_path: Path):
    manifest = Manifest((sample("a", split="train"), sample("b", split="val")), "0")
    assert [s.group for s in manifest.split("val")] == ["b"]


def sets(tmp_path: Path) -> Path:
    """Two sets, one of reals alone, and things that are no set."""
    for at, name in enumerate(
        ("swaps/Real/a", "swaps/FAKE/b", "swaps/FAKE/deeper/c", "cam/real/d")
    ):
        path = tmp_path / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg_bytes(60, 40, seed=at))
    (tmp_path / "swaps" / "real-ish").mkdir()
    (tmp_path / "swaps" / "real-ish" / "x.jpg").write_bytes(jpeg_bytes(60, 40, seed=9))
    (tmp_path / "swaps" / "Real" / ".hidden").write_text("not data")
    (tmp_path / "notes.txt").write_text("not a set")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_each_set_in_a_folder_is_a_source_of_external_pictures(tmp_path: Path):
    manifest = read_sets(sets(tmp_path))
    assert Counter((s.source, s.label) for s in manifest.samples) == {
        ("cam", 0): 1,
        ("swaps", 0): 1,
        ("swaps", 1): 2,
    }
    assert {s.split for s in manifest.samples} == {EXTERNAL}
    assert manifest.split(EXTERNAL) == manifest.samples


def test_sets_are_known_by_their_files_and_labels(tmp_path: Path):
    before = read_sets(sets(tmp_path))
    assert read_sets(tmp_path) == before
    (tmp_path / "cam" / "real" / "e.jpg").write_bytes(jpeg_bytes(60, 40, seed=8))
    assert read_sets(tmp_path).sha256 != before.sha256


def test_a_folder_without_sets_says_what_it_needs(tmp_path: Path):
    (tmp_path / "swaps" / "real").mkdir(parents=True)
    with pytest.raises(DatasetError, match="name/real/"):
        read_sets(tmp_path)


def test_a_file_that_one_set_calls_real_and_another_fake_stops_the_run(tmp_path: Path):
    data = sets(tmp_path)
    (data / "cam" / "fake").mkdir()
    same = (data / "swaps" / "Real" / "a.jpg").read_bytes()
    (data / "cam" / "fake" / "same.jpg").write_bytes(same)
    with pytest.raises(DatasetError, match="both real and fake"):
        read_sets(data)


# --- what a file's place among folders says


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("Real/a.jpg", Place(0, "")),
        ("FAKE/deep/er/a.jpg", Place(1, "")),
        ("set/real/a.jpg", Place(0, "set")),
        ("top/set/Fake/a.jpg", Place(1, "set")),
        ("real/real/a.jpg", Place(0, "")),
        ("real/fake/a.jpg", None),
        ("a.jpg", None),
        ("real", None),
        ("realistic/a.jpg", None),
    ],
)
def test_the_folder_names_label_and_source(name: str, place: Place | None):
    assert place_of(name) == place


@pytest.mark.parametrize(
    "name", [".hidden", "Real/.DS_Store", "__MACOSX/Real/a.jpg", "a/Thumbs.db"]
)
def test_what_systems_add_is_no_data(name: str):
    assert not is_data(name)
    assert is_data("Real/a.jpg")


def test_a_manifest_is_found_at_the_top_or_in_the_only_folder_there():
    assert manifest_among(["manifest.csv", "a/1.jpg"]) == "manifest.csv"
    assert manifest_among(["set/manifest.csv", "set/a/1.jpg", ".hidden"]) == "set/manifest.csv"
    assert manifest_among(["set/manifest.csv", "other/1.jpg"]) == ""
    assert manifest_among([]) == ""


# --- splits one group after another


def test_groups_that_come_one_by_one_get_the_shares_of_those_dealt_at_once():
    given = [0, 0, 0]
    for _ in range(1000):
        given[SPLITS.index(next_split(given, 1))] += 1
    assert given == [800, 100, 100]


def test_three_groups_reach_every_split():
    given = [0, 0, 0]
    for _ in range(3):
        given[SPLITS.index(next_split(given, 1))] += 1
    assert given == [1, 1, 1]


def test_a_split_by_name_depends_on_the_name_alone():
    assert {split_by_name(f"group {at}") for at in range(100)} == set(SPLITS)
    assert split_by_name("group 7") == split_by_name("group 7")
    assert split_by_name("any", shares=(0.0, 0.0, 1.0)) == "test"


@pytest.mark.parametrize("content", [b"", b"path,label\n", b"\xff\xfe\x00p"])
def test_what_is_no_manifest_is_refused(content: bytes):
    with pytest.raises(DatasetError, match=r"rows\.csv"):
        read_rows(content, "rows.csv")


def test_a_mark_of_the_byte_order_is_no_part_of_the_first_column():
    rows = read_rows(b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\na.jpg,real\n", "rows.csv")
    assert rows[0]["path"] == "a.jpg"
    assert rows[0]["licence"] == ""
