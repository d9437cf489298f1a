"""A backup that is taken while the desk works holds one state of it, whole and hashed."""

import hashlib
import json
import os
import shutil
import stat
import sys
from collections import namedtuple
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from accounts.models import AuditEvent, User
from deepfake_site.backup import database, postgresql, taking
from deepfake_site.backup.files import unknown_names
from deepfake_site.backup.manifest import Manifest, differences, entries
from deepfake_site.backup.restoring import check, restore
from deepfake_site.backup.taking import back_up
from detection import storage
from detection.models import Image
from detection.services.erasure import erase_image
from tests.deepfake_site.backup.conftest import Desk
from tests.factories import submitted
from tests.images import jpeg_bytes

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="PostgreSQL's own tools"
)
Usage = namedtuple("Usage", "total used free")


def test_it_says_what_it_holds(desk: Desk, tmp_path: Path):
    manifest = back_up(tmp_path / "copy")
    assert manifest == Manifest.read(tmp_path / "copy")
    assert manifest.rows["detection_image"] == 3
    assert manifest.rows["accounts_auditevent"] == AuditEvent.objects.count() - 1  # its own
    assert manifest.database == connection.vendor
    assert "detection.0001_initial" in manifest.migrations
    listed = {entry.path: entry for entry in entries(tmp_path / "copy")}
    for row in desk[:2]:
        path = storage.original_path(row.image_id)
        entry = listed[f"data/originals/{path.parent.name}/{path.name}"]
        assert (entry.sha256, entry.size_bytes) == (row.image.sha256, row.image.size_bytes)
    assert {"audit/checkpoints.jsonl", "audit/public_key", "data/installation"} <= set(listed)
    assert "data/training/a-run/log.txt" in listed
    assert (manifest.missing, manifest.files) == ([], len(listed))
    assert list(differences(tmp_path / "copy", manifest)) == []


def test_what_can_be_drawn_again_and_what_is_under_way_is_left_out(desk, data_dir, tmp_path):
    (data_dir / "incoming" / "half").write_bytes(b"half an upload")
    assert list((data_dir / "previews").rglob("*.jpg"))
    back_up(tmp_path / "copy")
    tops = {path.name for path in (tmp_path / "copy" / "data").iterdir()}
    assert tops == {"artifacts", "installation", "originals", "reports", "training"}


def test_the_taking_is_recorded(desk, tmp_path):
    manifest = back_up(tmp_path / "copy")
    event = AuditEvent.objects.get(action="installation.backed_up")
    said = json.loads(event.change)["after"]
    assert said["list_sha256"] == manifest.list_sha256
    assert said["with_secrets"] is False


def test_secrets_are_in_it_only_when_asked_for(desk, data_dir, settings, tmp_path):
    back_up(tmp_path / "without")
    back_up(tmp_path / "with", with_secrets=True)
    audit_key = (data_dir / "audit_key").read_bytes().strip()
    report_key = (data_dir / "report_key").read_bytes().strip()
    for secret in (settings.SECRET_KEY.encode(), audit_key, report_key):
        held = [
            [p for p in (tmp_path / name).rglob("*") if p.is_file() and secret in p.read_bytes()]
            for name in ("without", "with")
        ]
        assert [len(paths) for paths in held] == [0, 1]
        assert stat.S_IMODE(held[1][0].stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "with").stat().st_mode) == 0o700


def test_an_existing_folder_is_refused(desk, tmp_path):
    (tmp_path / "copy").mkdir()
    with pytest.raises(CommandError, match="exists"):
        call_command("backup", str(tmp_path / "copy"))
    assert list((tmp_path / "copy").iterdir()) == []


def test_a_folder_inside_the_data_folder_is_refused(desk, data_dir):
    with pytest.raises(CommandError, match="another disk"):
        call_command("backup", str(data_dir / "copy"))


def test_a_full_disk_is_refused_before_anything_is_written(desk, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**9, 10**9, 1000))
    with pytest.raises(CommandError, match=r"needs 0\.\d GB"):
        call_command("backup", str(tmp_path / "copy"))
    assert not list(tmp_path.glob("copy*"))


def test_a_pair_that_does_not_belong_together_is_refused(desk, data_dir, tmp_path):
    (data_dir / "installation").write_text("another")
    with pytest.raises(CommandError, match="do not belong together"):
        call_command("backup", str(tmp_path / "copy"))


@pytest.mark.parametrize("broken", ["dump", "row_counts"])
def test_an_interrupted_one_leaves_nothing(desk, tmp_path, monkeypatch, broken):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(database, broken, interrupt)
    with pytest.raises(KeyboardInterrupt):
        back_up(tmp_path / "copy")
    assert not list(tmp_path.glob("copy*"))
    assert not AuditEvent.objects.filter(action="installation.backed_up").exists()


def test_a_killed_one_has_another_name_and_no_manifest(desk, tmp_path, monkeypatch):
    """What a power failure leaves: nothing cleans up."""
    monkeypatch.setattr(taking.shutil, "rmtree", lambda *_args, **_named: None)
    monkeypatch.setattr(taking, "_copy_files", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        back_up(tmp_path / "copy")
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.partial"]
    with pytest.raises(CommandError, match="is no backup"):
        call_command("restore", str(tmp_path / "copy.partial"), "--check")
    with pytest.raises(CommandError, match="interrupted"):
        call_command("backup", str(tmp_path / "copy"))


def test_a_file_that_the_desk_itself_lacks_is_named(desk, tmp_path, capsys):
    storage.original_path(desk[0].image_id).unlink()
    with pytest.raises(SystemExit) as ended:
        call_command("backup", str(tmp_path / "copy"))
    assert ended.value.code == 2
    assert f"{desk[0].image_id}" in capsys.readouterr().err
    assert check(tmp_path / "copy").missing


def test_what_is_not_the_desks_is_named(desk, data_dir, tmp_path, capsys):
    (data_dir / "notes.txt").write_text("by hand")
    call_command("backup", str(tmp_path / "copy"))
    assert capsys.readouterr().err == "not copied, not of this desk: notes.txt\n"


def test_an_image_that_is_erased_meanwhile_stays_erased(desk, tmp_path, monkeypatch, wipe):
    real = taking._copy_files

    def erase_then_copy(*arguments: Any) -> None:
        erase_image(by=None, image=desk[0].image, because="command")
        real(*arguments)

    monkeypatch.setattr(taking, "_copy_files", erase_then_copy)
    manifest = back_up(tmp_path / "copy", with_secrets=True)
    assert str(desk[0].image_id) in manifest.erased
    assert manifest.missing == []
    wipe()
    restored = restore(tmp_path / "copy")
    assert restored.erased == 1
    assert Image.objects.get(pk=desk[0].image_id).erased_at
    call_command("verify_evidence")


def test_uploads_go_on_beside_it_and_every_row_has_its_file(desk, tmp_path, monkeypatch, wipe):
    """Somebody uploads without a pause, from before the state is taken until after the copying."""
    ended, begun, accepted = Event(), Event(), []

    def upload() -> None:
        owner = User.objects.get(email="alice@example.org")
        try:
            while not ended.is_set():
                accepted.append(submitted(owner, jpeg_bytes(seed=100 + len(accepted))).image)
                begun.set()
        finally:
            connections.close_all()

    counted = []
    real = taking._copy_files

    def copy_late(*arguments: Any) -> None:
        counted.append(len(accepted))
        while len(accepted) < counted[0] + 3:  # rows that the copied state does not have
            assert thread.is_alive()
        real(*arguments)

    monkeypatch.setattr(taking, "_copy_files", copy_late)
    thread = Thread(target=upload)
    thread.start()
    try:
        assert begun.wait(30)
        manifest = back_up(tmp_path / "copy", with_secrets=True)
    finally:
        ended.set()
        thread.join()
    assert manifest.missing == []
    wipe()
    restore(tmp_path / "copy")
    images = Image.objects.filter(erased_at=None)
    assert 3 <= images.count() <= counted[0] + 3 < len(accepted) + 3
    for image in images:
        held = storage.original_path(image.pk).read_bytes()
        assert hashlib.sha256(held).hexdigest() == image.sha256
    call_command("verify_evidence")
    call_command("verify_audit")


@on_postgresql
def test_pg_dump_is_asked_for_where_there_is_none(desk, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match="pg_dump is not on this machine"):
        call_command("backup", str(tmp_path / "copy"))
    assert not list(tmp_path.glob("copy*"))


def _tool(folder: Path, script: str) -> None:
    (folder / "pg_dump").write_text(f"#!{sys.executable}\n{script}")
    (folder / "pg_dump").chmod(0o700)


@on_postgresql
def test_an_older_pg_dump_is_refused(desk, tmp_path, monkeypatch):
    _tool(tmp_path, "print('pg_dump (PostgreSQL) 9.6.1')")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match=r"9\.6\.1 is older than the server"):
        call_command("backup", str(tmp_path / "copy"))


@on_postgresql
def test_the_password_is_on_no_command_line(desk, tmp_path, monkeypatch):
    _tool(
        tmp_path,
        "import json, os, sys\n"
        "if '--version' in sys.argv: sys.exit(print('pg_dump (PostgreSQL) 99.0'))\n"
        "json.dump([sys.argv, dict(os.environ)], open(__file__ + '.seen', 'w'))\n"
        "sys.exit('it went wrong')",
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    password = "a password of the database"
    monkeypatch.setattr(
        postgresql,
        "_environment",
        lambda stated, real=postgresql._environment: real(stated | {"PASSWORD": password}),
    )
    with pytest.raises(CommandError, match="pg_dump failed: it went wrong"):
        call_command("backup", str(tmp_path / "copy"))
    arguments, environment = json.loads((tmp_path / "pg_dump.seen").read_text())
    assert environment["PGPASSWORD"] == password
    assert password not in " ".join(arguments)
    assert not {"SECRET_KEY", "DATABASE_URL"} & set(environment)
    assert "SECRET_KEY" in os.environ


def test_every_entry_of_a_data_folder_is_known(desk, data_dir):
    assert unknown_names(data_dir) == []
