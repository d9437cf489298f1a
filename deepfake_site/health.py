"""Two questions an operator's machine may ask: are you alive, and can you do your work?"""

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse

from detection.models import ModelVersion
from detection.services.sweeping import oldest_waiting_s

WAITING_TOO_LONG_S = 60


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """The database answers, a model is active, and detections do not pile up unjudged."""
    try:
        has_model = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).exists()
        waiting_s = oldest_waiting_s()
    except DatabaseError:
        return JsonResponse({"status": "unready", "database": "away"}, status=503)
    is_ready = has_model and waiting_s < WAITING_TOO_LONG_S
    return JsonResponse(
        {
            "status": "ready" if is_ready else "unready",
            "database": "ok",
            "model": "active" if has_model else "none",
            "oldest_waiting_s": round(waiting_s, 1),
        },
        status=200 if is_ready else 503,
    )
