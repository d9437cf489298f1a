"""Judging again with the model that judges now: one image, or what the desk received."""

import uuid
from typing import Any

from django.db.models import F
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detection.api.base import administrator, caller, key_of, visible_detections
from detection.api.parsers import ObjectParser
from detection.api.permissions import DetectionScopes, RegistryScopes
from detection.api.registry import reference
from detection.api.registry_shapes import NEW_REJUDGING
from detection.api.schema import JSON, operation
from detection.api.serializers import DetectionSerializer, NoUnknownFields
from detection.models import Detection, Rejudging
from detection.services import judging_again


class RejudgingForm(NoUnknownFields, serializers.Serializer[Any]):
    since = serializers.DateTimeField(required=False)


class DetectionAgain(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]

    @operation(
        "judgeAgain",
        tag="Detections",
        answers={200: "Detection", 202: "Detection"},
        problems=[404, 409],
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Have an image judged by the model that judges now; its verdict so far stays."""
        user, row = caller(request), get_object_or_404(visible_detections(request), pk=pk)
        if not (user.is_reviewer or row.image.owner_id == user.pk):
            raise PermissionDenied
        again = judging_again.ask(by=user, detection=row)
        row = get_object_or_404(visible_detections(request), pk=again.pk)
        code = status.HTTP_200_OK if row.is_finished else status.HTTP_202_ACCEPTED
        answer = Response(DetectionSerializer(row, context={"request": request}).data, status=code)
        answer["Location"] = request.build_absolute_uri(reverse("api_detection", args=[row.pk]))
        return answer


class RejudgingCollection(APIView):
    permission_classes = [*APIView.permission_classes, RegistryScopes]
    parser_classes = [ObjectParser]

    @operation(
        "judgeAllAgain",
        tag="Models",
        answers={202: "Rejudging"},
        problems=[400, 404, 409, 415],
        body={JSON: NEW_REJUDGING},
    )
    def post(self, request: Request) -> Response:
        """Have what the desk received judged again, whenever nothing else waits."""
        by = administrator(request)
        form = RejudgingForm(data=request.data)
        form.is_valid(raise_exception=True)
        since = form.validated_data.get("since")
        row = judging_again.order(by=by, since=since, api_key=key_of(request))
        answer = Response(_shown(row), status=status.HTTP_202_ACCEPTED)
        answer["Location"] = request.build_absolute_uri(reverse("api_rejudging", args=[row.pk]))
        return answer


class RejudgingResource(APIView):
    permission_classes = [*APIView.permission_classes, RegistryScopes]

    @operation("readJudgingAgain", tag="Models", answers={200: "Rejudging"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """How far it is, and how many verdicts differ; for administrators."""
        administrator(request)
        return Response(_shown(_of_the_desk(pk)))


class RejudgingCancellation(APIView):
    permission_classes = [*APIView.permission_classes, RegistryScopes]

    @operation("cancelJudgingAgain", tag="Models", answers={200: "Rejudging"}, problems=[404])
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Hand nothing more over; what was handed over is judged."""
        by = administrator(request)
        judging_again.cancel(by=by, rejudging=_of_the_desk(pk))
        return Response(_shown(_of_the_desk(pk)))


def _of_the_desk(pk: uuid.UUID) -> Rejudging:
    return get_object_or_404(Rejudging.objects.select_related("version"), pk=pk, case=None)


def _shown(row: Rejudging) -> dict[str, Any]:
    ended = row.judged().filter(status=Detection.Status.DONE)
    return {
        "id": str(row.pk),
        "status": row.status,
        "ended": row.ended or None,
        "model": reference(row.version),
        "since": row.since,
        "total": row.total,
        "done": row.done,
        "judged": ended.count(),
        "differ": ended.exclude(verdict=F("judged_before__verdict")).count(),
        "created_at": row.created_at,
        "completed_at": row.completed_at,
    }
