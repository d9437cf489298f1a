"""What was here before: `/api/v1/detections/{id}/similar` and `/api/v1/similar`."""

import uuid
from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detection.api.base import caller, visible_detections
from detection.api.detections import images_of
from detection.api.permissions import DetectionScopes, SimilarScopes
from detection.api.request_shapes import SEARCH
from detection.api.schema import FORM, operation
from detection.api.serializers import DetectionSerializer, NoUnknownFields
from detection.services import image_search
from detection.services.seen_before import Found, Match, find, fingerprint


class NothingBeside(NoUnknownFields, serializers.Serializer[Any]):
    """The image and no other field."""


class SimilarToDetection(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]

    @operation("listSimilar", tag="Similar images", answers={200: "SimilarImages"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """Other images you may see that show the same picture, nearest first."""
        row = get_object_or_404(visible_detections(request), pk=pk)
        return _answer(request, find(caller(request), fingerprint(row.image), beside=row))


class ImageSearch(APIView):
    permission_classes = [*APIView.permission_classes, SimilarScopes]
    parser_classes = [MultiPartParser]

    @operation(
        "searchByImage",
        tag="Similar images",
        answers={200: "SimilarImages"},
        problems=[400, 413, 415, 422, 503, 507],
        body={FORM: SEARCH},
    )
    def post(self, request: Request) -> Response:
        """Images you may see that show the picture sent: it is not judged and not kept."""
        form = NothingBeside(data=request.data)
        uploads = images_of(request)
        form.is_valid(raise_exception=True)
        return _answer(request, image_search.search(by=caller(request), upload=uploads[0]))


def _answer(request: Request, found: Found) -> Response:
    ids = [match.detection.pk for match in found.matches]
    rows = {row.pk: row for row in visible_detections(request).filter(pk__in=ids)}
    matches = [match for match in found.matches if match.detection.pk in rows]
    return Response(
        {
            "results": [_shown(request, match, rows[match.detection.pk]) for match in matches],
            "is_comparable": found.is_telling,
            "is_complete": found.is_whole,
        }
    )


def _shown(request: Request, match: Match, row: Any) -> dict[str, Any]:
    return {
        "kind": match.kind,
        "distance": match.distance,
        "is_mirrored": match.is_mirrored,
        "detection": DetectionSerializer(row, context={"request": request}).data,
    }
