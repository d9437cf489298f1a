"""Parts of an image judged by themselves: `/api/v1/detections/{id}/regions`."""

import uuid
from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detection.api.base import caller, visible_detections
from detection.api.parsers import ObjectParser
from detection.api.permissions import DetectionScopes
from detection.api.preferences import applied, held, wished_wait_s
from detection.api.request_shapes import NEW_REGION
from detection.api.schema import JSON, WAIT, operation
from detection.api.serializers import NoUnknownFields
from detection.models import Detection, Region
from detection.models.region import RegionQuerySet
from detection.services import regions
from detection.stated_reasons import stated_reasons
from detection.words import failure_sentence

RETRY_AFTER_S = 1


class Share(serializers.FloatField):
    """A number of JSON's own: no text, and neither NaN nor infinity, nor true."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return super().to_internal_value(data)


class BoxSerializer(NoUnknownFields, serializers.Serializer[Region]):
    box = serializers.ListField(
        child=Share(min_value=0, max_value=1), min_length=4, max_length=4, allow_empty=False
    )


class RegionSerializer(serializers.ModelSerializer[Region]):
    verdict = serializers.SerializerMethodField()
    reasons = serializers.SerializerMethodField()
    failure = serializers.SerializerMethodField()
    box = serializers.SerializerMethodField()
    box_px = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = Region
        fields = [
            "id",
            "detection",
            "status",
            "created_at",
            "completed_at",
            "box",
            "box_px",
            "verdict",
            "probability",
            "reasons",
            "transforms",
            "failure",
            "links",
        ]

    def get_verdict(self, row: Region) -> str | None:
        return row.verdict or None

    def get_reasons(self, row: Region) -> list[str]:
        return stated_reasons(row)

    def get_failure(self, row: Region) -> dict[str, str] | None:
        if not row.failure_code:
            return None
        return {"code": row.failure_code, "detail": failure_sentence(row.failure_code)}

    def get_box(self, row: Region) -> list[float]:
        return [round(share, 6) for share in row.box]

    def get_box_px(self, row: Region) -> list[int]:
        return list(row.box_px)

    def get_links(self, row: Region) -> dict[str, str]:
        request = self.context["request"]
        addresses = {
            "detection": reverse("api_detection", args=[row.detection_id]),
            "page": reverse("detection", args=[row.detection_id]) + "#parts",
        }
        return {name: request.build_absolute_uri(path) for name, path in addresses.items()}


class RegionCollection(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]
    parser_classes = [ObjectParser]

    @operation("listRegions", tag="Regions", answers={200: "RegionList"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """The parts of an image that were judged by themselves, the first first."""
        rows = _regions(_detection(request, pk)).order_by("created_at", "pk")
        shown = RegionSerializer(rows, many=True, context={"request": request}).data
        return Response({"results": shown})

    @operation(
        "judgeRegion",
        tag="Regions",
        answers={200: "Region", 202: "Region"},
        problems=[400, 404, 409, 415, 422],
        body={JSON: NEW_REGION},
        parameters=[WAIT],
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Judge one part by itself: 202 while that is going on, 200 when it has been."""
        detection = _detection(request, pk)
        form = BoxSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        region = regions.request(
            by=caller(request), detection=detection, box=form.validated_data["box"]
        )
        row, granted_s = _at_last(request, detection, region)
        answer = _response(request, row)
        answer["Location"] = request.build_absolute_uri(
            reverse("api_region", args=[detection.pk, row.pk])
        )
        return applied(answer, granted_s)


class RegionResource(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]

    @operation(
        "readRegion", tag="Regions", answers={200: "Region"}, problems=[404], parameters=[WAIT]
    )
    def get(self, request: Request, pk: uuid.UUID, region_pk: uuid.UUID) -> Response:
        """One part, at once or when it has ended; unfinished, when to ask again."""
        detection = _detection(request, pk)
        region = get_object_or_404(_regions(detection), pk=region_pk)
        row, granted_s = _at_last(request, detection, region)
        answer = _response(request, row)
        answer.status_code = status.HTTP_200_OK
        return applied(answer, granted_s)


def _detection(request: Request, pk: uuid.UUID) -> Detection:
    return get_object_or_404(visible_detections(request), pk=pk)


def _regions(detection: Detection) -> RegionQuerySet:
    return Region.objects.filter(detection=detection).with_detection()


def _at_last(request: Request, detection: Detection, region: Region) -> tuple[Region, int]:
    """The part once it has ended, or as long as the caller would wait; and the seconds granted."""
    if region.is_finished:
        return region, wished_wait_s(request)
    if granted_s := held(request, region.pk):
        region = get_object_or_404(_regions(detection), pk=region.pk)
    return region, granted_s


def _response(request: Request, row: Region) -> Response:
    answer = Response(RegionSerializer(row, context={"request": request}).data)
    if not row.is_finished:
        answer.status_code = status.HTTP_202_ACCEPTED
        answer["Retry-After"] = str(RETRY_AFTER_S)
    return answer
