"""Files are durable before they are named, and never overwritten."""

import os
import stat
import uuid
from pathlib import Path

import pytest

from detection import storage


@pytest.fixture
def incoming() -> Path:
    path = storage.incoming_dir() / uuid.uuid4().hex
    path.write_bytes(b"original bytes")
    return path


def test_an_original_moves_to_its_final_name(incoming):
    image_id = uuid.uuid4()
    final = storage.keep_original(incoming, image_id)
    assert final == storage.original_path(image_id)
    assert final.read_bytes() == b"original bytes"
    assert not incoming.exists()


def test_an_original_is_read_only_and_hidden_from_other_users(incoming):
    mode = stat.S_IMODE(storage.keep_original(incoming, uuid.uuid4()).stat().st_mode)
    assert mode == 0o440
    assert stat.S_IMODE(storage.incoming_dir().stat().st_mode) == 0o700


def test_an_original_is_never_overwritten(incoming):
    image_id = uuid.uuid4()
    storage.keep_original(incoming, image_id)
    second = storage.incoming_dir() / "second"
    second.write_bytes(b"other bytes")
    with pytest.raises(FileExistsError):
        storage.keep_original(second, image_id)
    assert storage.original_path(image_id).read_bytes() == b"original bytes"


def test_bytes_are_synced_before_the_name_and_the_name_before_the_answer(incoming, monkeypatch):
    calls = []
    fsync, link = os.fsync, os.link

    def note_sync(handle: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "bytes")
        fsync(handle)

    def note_link(source: Path, target: Path) -> None:
        calls.append("name")
        link(source, target)

    image_id = uuid.uuid4()
    storage.original_path(image_id).parent.mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "link", note_link)
    storage.keep_original(incoming, image_id)
    assert calls == ["bytes", "name", "folder"]


def test_a_new_folder_is_synced_into_its_parents(incoming, monkeypatch):
    synced = []
    monkeypatch.setattr(storage, "sync_dir", synced.append)
    final = storage.keep_original(incoming, uuid.uuid4())
    assert synced == [final.parent.parent, final.parent.parent.parent, final.parent]


def test_dropping_removes_the_file_and_forgives_its_absence(incoming):
    image_id = uuid.uuid4()
    storage.keep_original(incoming, image_id)
    storage.drop_original(image_id)
    storage.drop_original(image_id)
    assert not storage.original_path(image_id).exists()


def test_a_reader_never_sees_half_a_disposable_file(data_dir, monkeypatch):
    path = data_dir / "previews" / "x.webp"
    storage.write_atomically(path, b"old")

    def die(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        storage.write_atomically(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_previews_and_originals_lie_under_the_rows_id(data_dir):
    image_id = uuid.UUID("ab000000-0000-4000-8000-000000000001")
    assert storage.original_path(image_id) == data_dir / "originals" / "ab" / str(image_id)
    preview = storage.preview_path(image_id, 320)
    assert preview == data_dir / "previews" / "ab" / str(image_id) / "320.jpg"
