"""A model that judges silently for a time: `/api/v1/models/{id}/shadow`."""

import uuid
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from detection.api.base import administrator, reviewer
from detection.api.monitoring_shapes import SHADOW_ORDER
from detection.api.permissions import DeskScopes
from detection.api.schema import JSON, operation
from detection.models import ModelVersion
from detection.monitoring_data import share_data
from detection.services import shadowing
from detection.services.shadow_figures import changed_verdicts, shadow_figures


class ShadowOrder(serializers.Serializer[None]):
    """Until when, and how much."""

    until = serializers.DateTimeField()
    share = serializers.FloatField(max_value=1, default=1)

    def validate_until(self, until: Any) -> Any:
        now = timezone.now()
        if not now < until <= now + shadowing.LONGEST:
            raise serializers.ValidationError(
                f"In the future, at most {shadowing.LONGEST.days} days away."
            )
        return until

    def validate_share(self, share: float) -> float:
        if not share > 0:
            raise serializers.ValidationError("More than 0.")
        return share


class ShadowResource(APIView):
    permission_classes = [*APIView.permission_classes, DeskScopes]

    @operation("readShadow", tag="Models", answers={200: "Shadow"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """What a model said silently beside the active one; moderators and administrators."""
        person = reviewer(request)
        return Response(_shown(get_object_or_404(ModelVersion, pk=pk), person))


class ShadowStart(APIView):
    permission_classes = [*APIView.permission_classes, DeskScopes]

    @operation(
        "startShadow",
        tag="Models",
        answers={200: "Shadow"},
        problems=[400, 404, 409],
        body={JSON: SHADOW_ORDER},
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Let a model judge silently until a time; administrators alone.

        While it does, this gives it another end and another share, and counts from now on.
        """
        person = administrator(request)
        version = get_object_or_404(ModelVersion, pk=pk)
        form = ShadowOrder(data=request.data)
        form.is_valid(raise_exception=True)
        shadowing.start(version, by=person, **form.validated_data)
        version.refresh_from_db()
        return Response(_shown(version, person))


class ShadowStop(APIView):
    permission_classes = [*APIView.permission_classes, DeskScopes]

    @operation("stopShadow", tag="Models", answers={204: None}, problems=[404, 409])
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """End it before its time; what was judged stays. Administrators alone."""
        person = administrator(request)
        shadowing.stop(get_object_or_404(ModelVersion, pk=pk), by=person)
        return Response(status=204)


def _shown(version: ModelVersion, person: User) -> dict[str, Any]:
    found = shadow_figures(version)
    changed, _count = changed_verdicts(version, by=person)
    return {
        "model": str(version.pk),
        "is_running": version.is_shadow,
        "since": version.shadowed_since,
        "until": version.shadowed_until,
        "share": version.shadow_share,
        "judged": found.done,
        "waiting": found.waiting,
        "failed": found.failed,
        "agreement": share_data(found.agreement),
        "verdicts": [
            {"active": active, "shadow": shadow, "count": count}
            for active, shadow, count in found.table
        ],
        "cpu_ms": found.cpu_ms,
        "changed": [
            {
                "detection": str(row.detection_id),
                "active": row.detection.verdict,
                "shadow": row.verdict,
                "probability": row.probability,
            }
            for row in changed
        ],
    }
