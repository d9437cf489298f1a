"""The secret key of an installation: made once, kept, and for its owner's eyes only."""

import stat
from pathlib import Path

import pytest

from deepfake_site.first_start import ensure_secret_key
from tests.factories import in_parallel


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A data folder that does not exist yet, and no key from elsewhere."""
    for name in ("SECRET_KEY", "SECRET_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "installation"))
    return tmp_path / "installation"


def test_a_key_is_made_long_enough_and_private(folder):
    ensure_secret_key()
    path = folder / "secret_key"
    assert len(path.read_text().strip()) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_second_start_keeps_it(folder):
    ensure_secret_key()
    before = (folder / "secret_key").read_text()
    ensure_secret_key()
    assert (folder / "secret_key").read_text() == before


def test_two_starts_at_once_agree(folder):
    in_parallel(ensure_secret_key, times=8)
    assert len((folder / "secret_key").read_text().splitlines()) == 1


@pytest.mark.parametrize("name", ["SECRET_KEY", "SECRET_KEY_FILE"])
def test_none_is_made_where_one_is_given(folder, monkeypatch, name):
    monkeypatch.setenv(name, "given")
    ensure_secret_key()
    assert not folder.exists()
