"""A few pictures drawn by ourselves, so that a first visit has something to judge."""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from detection import storage
from detection.uploads import StoredUpload

FOLDER = settings.BASE_DIR / "static" / "img" / "samples"


@dataclass(frozen=True)
class Sample:
    name: str
    file_name: str
    title: str | Promise

    @property
    def path(self) -> str:
        """Where the picture lies among the static files."""
        return f"img/samples/{self.file_name}"


SAMPLES = {
    sample.name: sample
    for sample in (
        Sample("harbour", "harbour.jpg", _("Drawn harbour at dusk")),
        Sample("portrait", "portrait.jpg", _("Drawn portrait")),
        Sample("stamp", "stamp.png", _("Drawn stamp with a transparent edge")),
    )
}


@contextmanager
def open_sample(name: str) -> Iterator[StoredUpload]:
    """One sample as if it had just been uploaded."""
    sample = SAMPLES[name]
    content = (FOLDER / sample.file_name).read_bytes()
    path = storage.incoming_dir() / uuid.uuid4().hex
    upload = StoredUpload(path.open("xb+"), path, sample.file_name, None)
    upload.file.write(content)
    upload.file.flush()
    upload.size, upload.sha256 = len(content), hashlib.sha256(content).hexdigest()
    try:
        yield upload
    finally:
        upload.close()
