from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.alterations import ALTERATIONS
from ml.datasets.manifest import Sample, read_manifest
from ml.decision import Verdict
from ml.errors import DatasetError, UnreadableImage
from ml.judging import CHUNK, CLEAN, altered, judge
from tests.images import encode, png_bytes
from tests.ml.tiny import plain, write_artifact, write_manifest


def ignore(done: int, total: int) -> None:
    """Progress nobody watches."""


def reds(folder: Path, n: int) -> tuple[Sample, ...]:
    """Pictures from black to full red, as labelled files."""
    rows = []
    for at in range(n):
        image = Image.new("RGB", (40, 40), (255 * at // max(1, n - 1), 0, at))
        (folder / f"{at:02d}.png").write_bytes(encode(image, "PNG"))
        label = ("real", "fake")[at * 2 >= n]
        rows.append({"path": f"{at:02d}.png", "label": label, "split": "test"})
    return read_manifest(write_manifest(folder, rows)).samples


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    write_artifact(tmp_path / "artifact")
    return tmp_path / "artifact"


def test_files_are_judged_as_when_serving(tmp_path: Path, artifact: Path):
    first, last = judge(artifact, reds(tmp_path, 2), ignore)[CLEAN]
    assert first.prediction.verdict is Verdict.LIKELY_AUTHENTIC
    assert last.prediction.verdict is Verdict.LIKELY_MANIPULATED


def test_the_order_is_that_of_the_samples_and_of_the_cells(tmp_path: Path, artifact: Path):
    samples = reds(tmp_path, 4)[::-1]
    found = judge(artifact, samples, ignore, ("jpeg_90", CLEAN))
    assert list(found) == ["jpeg_90", CLEAN]
    assert [one.sample for one in found[CLEAN]] == list(samples)
    logits = [one.prediction.logit for one in found[CLEAN]]
    assert logits == sorted(logits, reverse=True)


def test_several_processes_find_what_one_finds(tmp_path: Path, artifact: Path):
    samples = reds(tmp_path, 2 * CHUNK + 3)
    steps: list[tuple[int, int]] = []
    cells = (CLEAN, "scale_50")
    one = judge(artifact, samples, ignore, cells, jobs=1)
    two = judge(artifact, samples, lambda a, b: steps.append((a, b)), cells, jobs=2)
    assert steps == [(8, 19), (16, 19), (19, 19)]
    for cell in cells:
        assert [j.sample for j in two[cell]] == [j.sample for j in one[cell]] == list(samples)
        assert [j.prediction.logit for j in two[cell]] == [j.prediction.logit for j in one[cell]]


def test_a_cell_judges_the_altered_picture(tmp_path: Path, artifact: Path):
    found = judge(artifact, reds(tmp_path, 3), ignore, (CLEAN, "darker", "brighter"))
    for before, darker, brighter in list(zip(*found.values(), strict=True))[1:2]:
        assert darker.prediction.logit < before.prediction.logit < brighter.prediction.logit


def test_an_altered_picture_says_its_own_size():
    decoded = altered(plain(200, 10, 10, side=40), "scale_50")
    assert decoded.pixels.shape == (20, 20, 3)
    assert (decoded.facts.width, decoded.facts.height) == (20, 20)


def test_a_clean_picture_is_left_alone():
    decoded = plain(200, 10, 10)
    assert altered(decoded, CLEAN) is decoded


@pytest.mark.parametrize("name", ALTERATIONS)
def test_every_alteration_gives_pixels_a_network_can_take(name: str):
    pixels = altered(plain(200, 10, 10), name).pixels
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_that_changed_since_it_was_listed_stops_the_run(
    tmp_path: Path, artifact: Path, jobs: int
):
    samples = reds(tmp_path, CHUNK + 1)
    samples[-1].path.write_bytes(samples[0].path.read_bytes())
    with pytest.raises(DatasetError, match="the manifest says") as caught:
        judge(artifact, samples, ignore, jobs=jobs)
    assert str(samples[-1].path) in caught.value.detail


def test_a_file_that_cannot_be_read_stops_the_run_with_its_code(tmp_path: Path, artifact: Path):
    (tmp_path / "cut.png").write_bytes(png_bytes()[:200])
    row = {"path": "cut.png", "label": "fake", "split": "test"}
    samples = read_manifest(write_manifest(tmp_path, [row])).samples
    with pytest.raises(UnreadableImage) as caught:
        judge(artifact, samples, ignore)
    assert caught.value.code == "truncated"
