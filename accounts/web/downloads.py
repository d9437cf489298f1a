"""Files that are made for one answer, and may be as large as what the desk keeps."""

from collections.abc import Callable
from tempfile import TemporaryFile
from typing import IO

from django.conf import settings
from django.http import FileResponse
from django.utils import timezone


def zip_download(name: str, write: Callable[[IO[bytes]], None]) -> FileResponse:
    """A ZIP as an answer, under this name and the time; it lies on disk, never in memory.

    Not in /tmp either, which may be small, or memory.
    """
    file = TemporaryFile(dir=settings.DATA_DIR)  # noqa: SIM115
    try:
        write(file)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    stamped = f"{name}-{timezone.now():%Y%m%dT%H%M%SZ}.zip"
    response = FileResponse(
        file, as_attachment=True, filename=stamped, content_type="application/zip"
    )
    response["Cache-Control"] = "no-store"
    return response
