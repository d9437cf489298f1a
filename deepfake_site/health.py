"""Two questions an operator's machine may ask: are you alive, and can you do your work?"""

import shutil

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
        model = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).first()
        stalled = stalled_s()
    except DatabaseError:
        return JsonResponse({"status": "unready", "database": "away"}, status=503)
    has_space = shutil.disk_usage(settings.DATA_DIR).free > settings.MAX_UPLOAD_BYTES
    is_whole = model is not None and model.damaged_at is None
    is_ready = is_whole and has_space and stalled < STALLED_TOO_LONG_S
    return JsonResponse(
        {
            "status": "ready" if is_ready else "unready",
            "database": "ok",
            "storage": "ok" if has_space else "full",
            "model": "none" if model is None else "active" if is_whole else "damaged",
            "stalled_s": round(stalled, 1),
        },
        status=200 if is_ready else 503,
    )
