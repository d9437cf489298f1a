"""A few pictures drawn by ourselves, so that a first visit has something to judge."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from detection.uploads import StoredUpload, UploadWriter

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
    writer = UploadWriter(sample.file_name)
    writer.write((FOLDER / sample.file_name).read_bytes())
    with writer.finish() as upload:
        yield upload
