from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest

from ml.datasets.prepared import prepare_once


def test_of_two_at_once_one_writes_and_the_other_waits(tmp_path: Path):
    path, begun = tmp_path / "cache" / "pixels.json", []

    def prepare() -> None:
        begun.append(path)
        sleep(0.1)
        path.write_text("whole")

    def read(_: int) -> str:
        prepare_once(path, prepare)
        return path.read_text()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(read, range(2))) == ["whole", "whole"]
    assert begun == [path]


def test_who_comes_after_one_that_failed_begins_anew(tmp_path: Path):
    path = tmp_path / "pixels.json"

    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        prepare_once(path, fail)
    prepare_once(path, path.touch)
    assert path.exists()


def test_what_is_there_needs_no_right_to_write_beside_it(tmp_path: Path):
    path = tmp_path / "cache" / "pixels.json"
    path.parent.mkdir()
    path.touch()
    prepare_once(path, lambda: pytest.fail("it was there"))
    assert list(path.parent.iterdir()) == [path]
