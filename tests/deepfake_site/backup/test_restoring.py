"""A restored desk is the one that was backed up, or nothing was changed."""

import fcntl
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts import checkpoints
from accounts.models import AuditEvent, User
from deepfake_site.backup import restoring
from deepfake_site.backup.manifest import LIST_FILE, Manifest, sha256_of
from deepfake_site.backup.taking import back_up
from detection import storage
from detection.models import Image
from detection.services import installation
from detection.services.erasure import erase_image
from tests.deepfake_site.backup.conftest import Desk, files_digest, refuses_changes, rows_digest
from tests.factories import submitted
from tests.images import jpeg_bytes

pytestmark = pytest.mark.django_db(transaction=True)
Wipe = Callable[[], None]


@pytest.fixture
def copy(desk: Desk, tmp_path: Path) -> Path:
    """A backup of the desk, with its secrets."""
    back_up(tmp_path / "copy", with_secrets=True)
    return tmp_path / "copy"


def run(source: Path, *options: str) -> int:
    """The exit code of a restore."""
    try:
        call_command("restore", str(source), *options)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def altered_manifest(folder: Path, **values: Any) -> None:
    replace(Manifest.read(folder), **values).write(folder)


def state() -> tuple[str, dict[str, str]]:
    return rows_digest(AuditEvent.objects.count()), files_digest()


def test_it_is_the_desk_that_was_backed_up(desk: Desk, wipe: Wipe, tmp_path: Path, capsys):
    events = AuditEvent.objects.count()
    before = rows_digest(events), files_digest()
    assert before[1]
    back_up(tmp_path / "copy", with_secrets=True)
    wipe()
    assert not Image.objects.exists()
    assert not files_digest()
    assert run(tmp_path / "copy") == 0
    assert (rows_digest(events), files_digest()) == before
    said = capsys.readouterr().out
    assert "Everything is as recorded." in said
    assert "Nothing was changed." in said
    assert installation.is_ours()
    assert refuses_changes()


def test_originals_cannot_be_written_to(desk, copy, wipe):
    wipe()
    run(copy)
    assert storage.original_path(desk[0].image_id).stat().st_mode & 0o777 == storage.READ_ONLY


def test_the_restoring_is_recorded_and_work_goes_on(copy, wipe):
    wipe()
    run(copy)
    event = AuditEvent.objects.get(action="installation.restored")
    assert json.loads(event.change)["after"]["taken_at"] == Manifest.read(copy).taken_at
    submitted(User.objects.get(email="alice@example.org"), jpeg_bytes(seed=77))
    assert checkpoints.seal()
    call_command("verify_audit")


def test_nothing_is_left_beside(copy, wipe, data_dir):
    wipe()
    run(copy)
    assert not [p for p in data_dir.rglob("*") if p.name.startswith(("before-", "restoring-"))]


@pytest.mark.parametrize("path", ["data/originals/*/*", "database.*", "audit/checkpoints.jsonl"])
def test_an_altered_file_is_named_and_refused(copy, wipe, path):
    [victim, *_] = sorted(copy.glob(path))
    victim.write_bytes(b"x" + victim.read_bytes()[1:])
    wipe()
    name = victim.relative_to(copy).as_posix()
    for options in ((), ("--check",), ("--keys-lost",)):
        with pytest.raises(CommandError, match=f"altered: {name}"):
            run(copy, *options)
    assert not Image.objects.exists()


def test_a_missing_file_is_named_and_refused(copy, wipe):
    [victim, *_] = sorted(copy.glob("data/reports/*/*/*.pdf"))
    victim.unlink()
    wipe()
    with pytest.raises(CommandError, match=f"missing: {victim.relative_to(copy).as_posix()}"):
        run(copy)


def test_an_altered_list_is_refused(copy, wipe):
    lines = (copy / "files.jsonl").read_text().splitlines(keepends=True)
    (copy / "files.jsonl").write_text("".join(lines[1:]))
    wipe()
    with pytest.raises(CommandError, match=r"altered: files\.jsonl"):
        run(copy)


def test_a_list_cannot_lead_out_of_the_backup(copy, wipe, tmp_path):
    line = json.dumps({"path": "data/../../away", "size_bytes": 0, "sha256": "0" * 64})
    (copy / "files.jsonl").write_text(line + "\n")
    altered_manifest(copy, list_sha256=sha256_of(copy / LIST_FILE))
    wipe()
    with pytest.raises(CommandError, match="outside of the backup"):
        run(copy)


def test_a_desk_that_is_there_is_not_written_over(copy):
    before = state()
    with pytest.raises(CommandError, match="--replace"):
        run(copy)
    assert state() == before


def test_files_alone_are_a_desk_as_well(copy, wipe, data_dir):
    wipe()
    (data_dir / "originals").mkdir()
    (data_dir / "originals" / "one").write_bytes(b"somebody's")
    with pytest.raises(CommandError, match="--replace"):
        run(copy)


def test_a_desk_is_replaced_and_its_newer_record_is_a_known_gap(desk, copy, data_dir, capsys):
    later = submitted(User.objects.get(email="alice@example.org"), jpeg_bytes(seed=88)).image
    erase_image(by=None, image=desk[1].image, because="command")
    checkpoints.seal()
    assert run(copy, "--replace") == 0
    said = capsys.readouterr().out
    assert "Known gap" in said
    assert "What was there before" in said
    assert not Image.objects.filter(pk=later.pk).exists()
    [aside] = data_dir.glob("before-restore-*")
    assert [p for p in aside.rglob(str(later.pk)) if p.is_file()]
    assert Image.objects.get(pk=desk[1].image_id).erased_at  # what was erased does not come back
    assert not storage.original_path(desk[1].image_id).exists()


def test_another_desks_checkpoints_give_way(copy, wipe, data_dir):
    wipe()
    (data_dir / "audit").mkdir()
    (data_dir / "audit" / "checkpoints.jsonl").write_text("another desk's\n")
    assert run(copy, "--replace") == 0
    [aside] = (data_dir / "audit").glob("before-restore-*")
    assert (aside / "checkpoints.jsonl").read_text() == "another desk's\n"


@pytest.mark.parametrize("broken", ["_compare", "call_command"])
def test_a_failure_on_the_way_leaves_the_old_in_place(desk, copy, data_dir, monkeypatch, broken):
    submitted(User.objects.get(email="alice@example.org"), jpeg_bytes(seed=88))
    before = state()
    names = sorted(path.name for path in data_dir.iterdir() if path.name != "lock")

    def fail(*_args: object, **_named: object) -> None:
        raise restoring.BackupError("the power went")

    monkeypatch.setattr(restoring, broken, fail)
    with pytest.raises(CommandError, match=r"Nothing was restored\. the power"):
        run(copy, "--replace")
    assert state() == before
    assert sorted(path.name for path in data_dir.iterdir() if path.name != "lock") == names
    assert installation.is_ours()
    assert refuses_changes()
    call_command("verify_audit")


def test_a_database_that_cannot_be_restored_leaves_the_old_in_place(copy, monkeypatch):
    before = state()
    kind = restoring.sqlite if Manifest.read(copy).database == "sqlite" else restoring.postgresql

    def fail(_self: object) -> None:
        raise OSError("no such disk")

    monkeypatch.setattr(kind.Exchange, "put", fail)
    with pytest.raises(CommandError, match="no such disk"):
        run(copy, "--replace")
    assert state() == before


def test_while_it_lasts_no_desk_starts(copy, monkeypatch):
    def start(*_args: object, **_named: object) -> None:
        installation.bind()

    monkeypatch.setattr(restoring, "_compare", lambda _manifest: None)
    monkeypatch.setattr(restoring.Place, "put", half_put)
    monkeypatch.setattr(restoring, "call_command", start)
    with pytest.raises(installation.ForeignData):
        run(copy, "--replace")


def half_put(self: restoring.Place, *, away: Any, last: str = "") -> None:
    """The old is aside, and the mark has not come."""
    if last:
        (self.stage / last).unlink()
        real_put(self, away=away, last=last)


real_put = restoring.Place.put


def test_a_desk_that_runs_is_not_replaced(copy, data_dir):
    with (data_dir / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CommandError, match="stop it first"):
            run(copy, "--replace")


def test_a_wrong_secret_key_is_said_in_words(copy, wipe, settings):
    settings.SECRET_KEY = "another-secret-" * 5
    wipe()
    with pytest.raises(CommandError, match="SECRET_KEY is not the backup's"):
        run(copy)
    assert not Image.objects.exists()
    assert run(copy, "--keys-lost") == 0


def test_without_its_secrets_the_audit_key_is_asked_for(desk, wipe, data_dir, tmp_path):
    back_up(tmp_path / "copy")
    key = (data_dir / "audit_key").read_text()
    wipe()
    with pytest.raises(CommandError, match="The audit key is not the backup's"):
        run(tmp_path / "copy")
    (data_dir / "audit_key").write_text(key)
    assert run(tmp_path / "copy") == 0


def test_a_trail_whose_key_is_lost_is_restored_and_named(desk, wipe, tmp_path, capsys):
    back_up(tmp_path / "copy")
    wipe()
    assert run(tmp_path / "copy", "--keys-lost") == 2
    assert "forged" in capsys.readouterr().err
    assert Image.objects.count() == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"database": "oracle"}, "desk on oracle"),
        ({"release": "99.0.0"}, "newer than this one"),
        ({"migrations": ["detection.9999_later"]}, "it has detection.9999_later"),
    ],
)
def test_what_this_release_cannot_take_up_is_refused(copy, wipe, values, words):
    altered_manifest(copy, **values)
    wipe()
    with pytest.raises(CommandError, match=words):
        run(copy)


def test_a_manifest_that_counts_other_rows_is_refused(copy, wipe):
    rows = dict(Manifest.read(copy).rows)
    altered_manifest(copy, rows=rows | {"detection_image": rows["detection_image"] + 1})
    wipe()
    with pytest.raises(CommandError, match="counts: detection_image"):
        run(copy)
    assert not Image.objects.exists()


def test_a_manifest_in_another_form_is_refused(copy, wipe):
    manifest = asdict(Manifest.read(copy)) | {"format": 2}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CommandError, match="that this release can read"):
        run(copy, "--check")


def test_a_disk_that_is_too_small_is_refused(copy, wipe, monkeypatch, data_dir):
    usage = shutil.disk_usage(data_dir)
    wipe()
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1000))
    with pytest.raises(CommandError, match="are needed"):
        run(copy)
    assert not (data_dir / "originals").exists()
