"""Files that no row names: set aside, never deleted, and only in a data folder that is ours."""

import logging
import time
from pathlib import Path

from django.conf import settings

from detection import part_files, storage
from detection.models import DatasetImport, Image, LabelledImage, ResumableUpload
from detection.services import datasets, installation, resumable
from detection.storage import Listed

log = logging.getLogger(__name__)

ORPHAN_AGE_S = 24 * 3600


def tidy() -> dict[str, int]:
    """Remove uploads that never ended and set aside originals without a row, after a day."""
    return {
        "expired": resumable.remove_expired(),
        "uploads": remove_unended_uploads(),
        "orphans": set_orphans_aside(),
        "labelled": remove_unused_labelled(),
        "archives": remove_ended_archives(),
    }


def remove_unended_uploads() -> int:
    """Remove from `incoming/` what no living request can still be writing."""
    is_open = set(ResumableUpload.objects.open().values_list("pk", flat=True))
    old = [path for path in settings.DATA_DIR.glob("incoming/*") if _is_old(path)]
    stale = [path for path in old if part_files.upload_id(path) not in is_open]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)


def remove_unused_labelled() -> int:
    """Remove files that an import read and no dataset took, and those whose rows were removed.

    Not in a folder of another installation, whose database knows them.
    """
    if not installation.is_ours():
        return 0
    return sum(map(_remove_unused, storage.listed("labelled")))


def remove_ended_archives() -> int:
    """Remove uploaded archives whose import has ended, or was never written."""
    old = [one.path for one in storage.files_of("imports") if one.changed_at < _yesterday()]
    waiting = DatasetImport.objects.filter(status__in=datasets.UNFINISHED)
    needed = {storage.import_path(pk) for pk in waiting.values_list("pk", flat=True)}
    for path in old:
        if path not in needed:
            storage.remove(path)
    return len(set(old) - needed)


def set_orphans_aside() -> int:
    """Move originals that this database does not know to `orphans/`.

    A crash between file and row leaves such a file. So would a database that is not the data
    folder's own, hence the comparison first, and hence a move and not a deletion.
    """
    if not installation.is_ours():
        log.error("data folder and database do not belong together; no orphan is looked for")
        return 0
    return sum(map(_set_aside, storage.listed("originals")))


def _set_aside(folder: list[Listed]) -> int:
    """One query for the files of one of the 256 folders."""
    named = (storage.image_id(one.path) for one in folder if one.changed_at < _yesterday())
    old = {name for name in named if name}
    known = set(Image.objects.filter(pk__in=old).values_list("pk", flat=True))
    for name in old - known:
        storage.set_aside(name)
        log.warning("an original without a row was set aside: orphans/%s", name)
    return len(old - known)


def _remove_unused(folder: list[Listed]) -> int:
    """One query for the files of one of the 256 folders."""
    old = {one.path.name for one in folder if one.changed_at < _yesterday()}
    used = LabelledImage.objects.usable().filter(sha256__in=old, image=None)
    unused = old - set(used.values_list("sha256", flat=True))
    return sum(datasets.drop_unused_file(sha256) for sha256 in unused)


def _yesterday() -> float:
    return time.time() - ORPHAN_AGE_S


def _is_old(path: Path) -> bool:
    try:
        return path.stat().st_mtime < _yesterday()
    except FileNotFoundError:
        return False
