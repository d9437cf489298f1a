"""Layers of evidence about one image: `/api/v1/detections/{id}/evidence`."""

import uuid
from typing import Any

from django.http import FileResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from deepfake_site.problems import MEDIA_TYPE
from detection import words
from detection.api.base import OneShape, visible_detections
from detection.api.parsers import ObjectParser
from detection.api.permissions import DetectionScopes
from detection.api.request_shapes import EVIDENCE_REQUEST
from detection.api.schema import JSON, operation
from detection.api.serializers import NoUnknownFields
from detection.api.shapes import ref
from detection.evidence.methods import METHODS
from detection.layer_file import layer_file
from detection.layer_words import LAYERS, findings
from detection.models import Detection, EvidenceLayer
from detection.services import layers

RETRY_AFTER_S = 1
NOT_ASKED = "not_asked"


class EvidenceRequest(NoUnknownFields, serializers.Serializer[Any]):
    kind = serializers.ChoiceField(EvidenceLayer.Kind.choices)


class EvidenceCollection(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]
    parser_classes = [ObjectParser]

    @operation("listEvidence", tag="Detections", answers={200: "EvidenceList"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """Every layer that can be drawn, and how far each is."""
        detection = get_object_or_404(visible_detections(request), pk=pk)
        rows = layers.of_image(detection.image)
        shown = [_shown(request, detection, kind, rows.get(kind)) for kind in METHODS]
        return Response({"results": shown})

    @operation(
        "askForEvidence",
        tag="Detections",
        answers={200: "Evidence", 202: "Evidence"},
        problems=[400, 404, 409, 413, 415],
        body={JSON: EVIDENCE_REQUEST},
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Have one layer drawn: 202 until it is, then 200; asking twice draws it once."""
        detection = get_object_or_404(visible_detections(request), pk=pk)
        form = EvidenceRequest(data=request.data)
        form.is_valid(raise_exception=True)
        row = layers.ask(image=detection.image, kind=form.validated_data["kind"])
        answer = Response(_shown(request, detection, row.kind, row))
        if row.is_waiting:
            answer.status_code = status.HTTP_202_ACCEPTED
            answer["Retry-After"] = str(RETRY_AFTER_S)
        return answer


class EvidencePicture(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]
    content_negotiation_class = OneShape

    @extend_schema(
        operation_id="readEvidencePicture",
        tags=["Detections"],
        responses={
            (200, "image/png"): OpenApiTypes.BINARY,
            **{(status, MEDIA_TYPE): ref("Problem") for status in (401, 403, 404, 429)},
        },
    )
    def get(self, request: Request, pk: uuid.UUID, kind: str) -> FileResponse:
        """The layer as a PNG; where it was not drawn, it is not found."""
        detection = get_object_or_404(visible_detections(request), pk=pk)
        if kind not in METHODS:
            raise NotFound
        return layer_file(layers.of_image(detection.image).get(kind))


def _shown(
    request: Request, detection: Detection, kind: str, row: EvidenceLayer | None
) -> dict[str, Any]:
    """One layer; one that was never asked for has the same members."""
    is_done = row is not None and layers.is_there(row)
    code = row.failure_code if row else ""
    address = reverse("api_evidence_picture", args=[detection.pk, kind])
    return {
        "kind": kind,
        "version": METHODS[kind].version,
        "status": _status(row, is_done),
        "reads": str(LAYERS[kind].reads),
        "misleads": str(LAYERS[kind].misleads),
        "findings": findings(kind, row.figures) if row and is_done else [],
        "figures": row.figures if row and is_done else {},
        "failure": {"code": code, "detail": words.failure_sentence(code)} if code else None,
        "completed_at": row.completed_at if row and is_done else None,
        "links": {"image": request.build_absolute_uri(address) if is_done else None},
    }


def _status(row: EvidenceLayer | None, is_done: bool) -> str:
    """A layer whose file was lost is as good as never asked for."""
    is_lost = row is not None and row.status == EvidenceLayer.Status.DONE and not is_done
    return NOT_ASKED if row is None or is_lost else row.status
