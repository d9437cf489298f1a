"""Two questions an operator's machine may ask: are you alive, and can you do your work?"""

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from detection.services.readiness import readiness


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Database, model and storage are there, and waiting detections are being taken up."""
    try:
        found = readiness()
    except DatabaseError:
        return JsonResponse({"status": "unready", "database": "away"}, status=503)
    return JsonResponse(
        {
            "status": "ready" if found.is_ready else "unready",
            "database": "ok",
            "storage": found.storage_state,
            "model": found.model_state,
            "stalled_s": round(found.stalled_s, 1),
        },
        status=200 if found.is_ready else 503,
    )
