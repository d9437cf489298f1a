"""Two questions an operator's machine may ask: are you alive, and can you do your work?"""

import shutil
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from detection.models import ModelVersion
from detection.services.progress import stalled_s

STALLED_TOO_LONG_S = 60


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Database, model and disk are there, and waiting detections are being taken up."""
    try:
        now = readiness()
    except DatabaseError:
        return JsonResponse({"status": "unready", "database": "away"}, status=503)
    return JsonResponse(
        {
            "status": "ready" if now.is_ready else "unready",
            "database": "ok",
            "storage": "ok" if now.has_space else "full",
            "model": now.model,
            "stalled_s": round(now.stalled_s, 1),
        },
        status=200 if now.is_ready else 503,
    )


@dataclass(frozen=True)
class Readiness:
    """Whether the desk can do its work.

    Attributes:
        model: `active`; `none`, or `damaged` where its files are not what was registered.
        has_space: for one more upload.
        stalled_s: how long detections have waited that nobody takes up.
    """

    model: str
    has_space: bool
    stalled_s: float

    @property
    def is_ready(self) -> bool:
        is_judging = self.model == "active" and self.stalled_s < STALLED_TOO_LONG_S
        return is_judging and self.has_space


def readiness() -> Readiness:
    """How it is now.

    Raises:
        DatabaseError: the database is away.
    """
    model = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).first()
    return Readiness(
        model="none" if model is None else "damaged" if model.damaged_at else "active",
        has_space=shutil.disk_usage(settings.DATA_DIR).free > settings.MAX_UPLOAD_BYTES,
        stalled_s=stalled_s(),
    )
