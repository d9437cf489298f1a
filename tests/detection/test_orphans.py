"""Files that nobody names are set aside, where database and data folder belong together."""

import os
import time
import uuid
from pathlib import Path

import pytest

from detection.models import Installation
from detection.services import installation, orphans
from tests.factories import files_below, submitted

pytestmark = pytest.mark.django_db


def _age(path: Path, hours: float) -> Path:
    then = time.time() - hours * 3600
    os.utime(path, (then, then))
    return path


def _original(data_dir: Path, name: str, hours: float) -> Path:
    path = data_dir / "originals" / name[:2] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return _age(path, hours)


def test_a_day_old_upload_that_never_ended_is_removed(data_dir):
    (data_dir / "incoming").mkdir()
    old, new = data_dir / "incoming" / "old", data_dir / "incoming" / "new"
    for path in (old, new):
        path.write_bytes(b"x")
    _age(old, 25)
    assert orphans.remove_unended_uploads() == 1
    assert files_below("incoming") == [new]


def test_a_day_old_original_without_a_row_is_set_aside(alice, model_version, data_dir):
    installation.bind()
    submitted(alice)
    kept = _age(files_below("originals")[0], 48)
    orphan = _original(data_dir, str(uuid.uuid4()), 25)
    fresh = _original(data_dir, str(uuid.uuid4()), 0)
    assert orphans.set_orphans_aside() == 1
    assert set(files_below("originals")) == {kept, fresh}
    assert (data_dir / "orphans" / orphan.name).read_bytes() == b"x"


def test_a_file_that_is_not_ours_stays(data_dir):
    installation.bind()
    stranger = _original(data_dir, "notes.txt", 25)
    _original(data_dir, str(uuid.uuid4()), 25)
    assert orphans.set_orphans_aside() == 1
    assert files_below("originals") == [stranger]


def test_another_databases_originals_are_left_alone(data_dir):
    installation.bind()
    original = _original(data_dir, str(uuid.uuid4()), 48)
    Installation.objects.all().delete()  # as a fresh database has none
    assert orphans.set_orphans_aside() == 0
    Installation.objects.create()  # nor does another's row help
    assert orphans.set_orphans_aside() == 0
    assert original.exists()


def test_a_fresh_database_on_a_used_folder_is_refused(data_dir):
    installation.bind()
    Installation.objects.all().delete()
    with pytest.raises(installation.ForeignData, match="UNMASK_DATA and DATABASE_URL"):
        installation.bind()
    assert not installation.is_ours()


def test_a_used_database_on_another_folder_is_refused(data_dir):
    Installation.objects.create()
    with pytest.raises(installation.ForeignData):
        installation.bind()


def test_a_move_is_adopted_when_somebody_says_so(data_dir):
    Installation.objects.create()
    installation.bind(adopt=True)
    assert installation.is_ours()


def test_binding_twice_changes_nothing(data_dir):
    installation.bind()
    mark = (data_dir / "installation").read_text()
    installation.bind()
    assert (data_dir / "installation").read_text() == mark
    assert Installation.objects.count() == 1
