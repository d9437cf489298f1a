"""Archives and folders that are imported: nothing hostile is read, nothing outside is reached."""

from pathlib import Path

import pytest

from detection.errors import Refused
from detection.import_sources import FolderSource, checked_archive, opened
from tests import archives


@pytest.mark.parametrize("name", archives.HOSTILE)
def test_a_hostile_archive_is_refused(name: str, tmp_path: Path):
    build, code = archives.HOSTILE[name]
    path = tmp_path / "set.zip"
    path.write_bytes(build())
    with pytest.raises(Refused) as refusal, checked_archive(path):
        pass
    assert refusal.value.code == code


def test_two_members_of_one_name_are_refused(tmp_path: Path):
    path = tmp_path / "set.zip"
    content = archives.zip_bytes({"Real/a.jpg": b"one", "Real/b.jpg": b"two"})
    path.write_bytes(content.replace(b"b.jpg", b"a.jpg"))
    with pytest.raises(Refused) as refusal, checked_archive(path):
        pass
    assert refusal.value.code == "archive_hostile"


def test_more_files_than_one_import_takes_are_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("detection.import_sources.MAX_FILES", 2)
    path = tmp_path / "set.zip"
    path.write_bytes(archives.zip_bytes({f"Real/{n}.jpg": b"x" for n in range(3)}))
    with pytest.raises(Refused) as refusal, checked_archive(path):
        pass
    assert refusal.value.code == "import_too_many_files"


def test_members_are_read_by_name(tmp_path: Path):
    path = tmp_path / "set.zip"
    path.write_bytes(archives.zip_bytes({"Real/b.jpg": b"bee", "Fake\\a.jpg": b"ay"}))
    with opened(path) as source:
        assert source.names() == ["Fake/a.jpg", "Real/b.jpg"]
        assert source.open("Fake/a.jpg").read() == b"ay"
        with pytest.raises(FileNotFoundError):
            source.open("Real/none.jpg")


def test_a_link_out_of_a_folder_leads_nowhere(tmp_path: Path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    folder = archives.written(tmp_path / "set", {"Real/a.jpg": b"ay"})
    (folder / "Real/out.jpg").symlink_to(secret)
    (folder / "Real/in.jpg").symlink_to(folder / "Real/a.jpg")
    source = FolderSource(folder)
    assert source.open("Real/in.jpg").read() == b"ay"
    for name in ("Real/out.jpg", "../secret.jpg", str(secret), "Real"):
        with pytest.raises(FileNotFoundError):
            source.open(name)


def test_what_is_gone_is_refused(tmp_path: Path):
    with pytest.raises(Refused) as refusal, opened(tmp_path / "none"):
        pass
    assert refusal.value.code == "import_path_gone"
