"""Whether the desk can do its work: what `/readyz` and the page Operations say."""

import shutil
from dataclasses import dataclass

from django.conf import settings

from detection import bucket
from detection.models import ModelVersion
from detection.services.progress import stalled_s

STALLED_TOO_LONG_S = 60


@dataclass(frozen=True)
class Readiness:
    """Model, disk and work as they are now.

    Attributes:
        has_space: the disk takes one more upload of the largest size.
        is_bucket_away: there is a bucket for the originals, and it does not answer.
        stalled_s: how long the oldest image that somebody waits for has waited while nobody took
            any up.
    """

    model: ModelVersion | None
    has_space: bool
    stalled_s: float
    is_bucket_away: bool = False

    @property
    def model_state(self) -> str:
        if self.model is None:
            return "none"
        return "active" if self.model.damaged_at is None else "damaged"

    @property
    def storage_state(self) -> str:
        """`ok`, `full` or `away`."""
        if self.is_bucket_away:
            return "away"
        return "ok" if self.has_space else "full"

    @property
    def is_stalled(self) -> bool:
        return self.stalled_s >= STALLED_TOO_LONG_S

    @property
    def is_ready(self) -> bool:
        return self.model_state == "active" and self.storage_state == "ok" and not self.is_stalled


def readiness() -> Readiness:
    model = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).first()
    free_bytes = shutil.disk_usage(settings.DATA_DIR).free
    is_away = bool(settings.S3_BUCKET) and not bucket.is_there()
    return Readiness(model, free_bytes > settings.MAX_UPLOAD_BYTES, stalled_s(), is_away)
