"""The same functions as the pages, for machines: `/api/v1/detections`."""

import re
import uuid
from functools import partial
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.parsers import FormParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detection.api.base import OneShape, caller, key_of, visible_detections
from detection.api.parsers import ObjectParser
from detection.api.permissions import DetectionScopes
from detection.api.serializers import DetectionSerializer, SubmissionSerializer
from detection.errors import Refused
from detection.models import Detection, Submission
from detection.models.detection import DetectionQuerySet
from detection.paging import is_cursor, page
from detection.sandbox import FOR_TEN_MINUTES, sandboxed
from detection.services import evidence
from detection.services.fetching import submit_url
from detection.services.submission import submit_image
from detection.uploads import interrupted, uploaded

PAGE_SIZE = 50
RETRY_AFTER_S = 1
SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


class DetectionCollection(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]
    parser_classes = [MultiPartParser, FormParser, ObjectParser]

    def get(self, request: Request) -> Response:
        """One's detections, newest first, in keyset pages."""
        cursor = request.query_params.get("cursor", "")
        if not is_cursor(cursor):  # the first page instead would let a client go round for ever
            raise ValidationError({"cursor": "This is not a cursor that this API gave out."})
        rows = _filtered(visible_detections(request), request.query_params)
        found = page(rows, cursor=cursor, size=PAGE_SIZE)
        results = DetectionSerializer(found.rows, many=True, context={"request": request})
        return Response({"results": results.data, "next": found.next_cursor or None})

    def post(self, request: Request) -> Response:
        """Accept one image: 202 while it is being judged, 200 when these bytes already were."""
        form = SubmissionSerializer(data=request.data)
        uploads = uploaded(request._request, "image")
        if refusal := interrupted(request._request):
            raise Refused(refusal)
        has_url = "url" in request.data
        if not uploads and not has_url:
            raise Refused("no_file")
        if len(uploads) > 1 or (has_url and "image" in request.data):
            raise ValidationError({"image": "Send exactly one image, or one url instead."})
        form.is_valid(raise_exception=True)
        key = key_of(request)
        submit = partial(submit_image, upload=uploads[0]) if uploads else submit_url
        submission = submit(
            by=caller(request),
            via=Submission.Via.API if key else Submission.Via.PAGE,
            api_key=key,
            **form.validated_data,
        )
        return _answer(request, submission.detection_id)


class DetectionResource(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]

    def get(self, request: Request, pk: uuid.UUID) -> Response:
        row = get_object_or_404(visible_detections(request), pk=pk)
        return Response(DetectionSerializer(row, context={"request": request}).data)


class DetectionHeatmap(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]
    content_negotiation_class = OneShape

    def get(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        """A transparent PNG; where there is nothing to show, it is not found."""
        png = evidence.heatmap(get_object_or_404(visible_detections(request), pk=pk))
        if png is None:
            raise NotFound
        return sandboxed(HttpResponse(png, content_type="image/png"), cache_control=FOR_TEN_MINUTES)


def _answer(request: Request, pk: uuid.UUID) -> Response:
    row = visible_detections(request).get(pk=pk)
    headers = {"Location": request.build_absolute_uri(reverse("api_detection", args=[pk]))}
    if not row.is_finished:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    code = status.HTTP_200_OK if row.is_finished else status.HTTP_202_ACCEPTED
    body = DetectionSerializer(row, context={"request": request}).data
    return Response(body, status=code, headers=headers)


def _filtered(rows: DetectionQuerySet, params: Any) -> DetectionQuerySet:
    """Apply `verdict`, `status`, `sha256`; an impossible value is an error, not an empty list."""
    errors = {}
    for name, known in (("verdict", Detection.Verdict), ("status", Detection.Status)):
        if value := params.get(name):
            if value not in known.values:
                errors[name] = f"{value!r} is unknown; say one of {', '.join(known.values)}."
            rows = rows.filter(**{name: value})
    if sha256 := params.get("sha256"):
        if not SHA256.fullmatch(sha256):
            errors["sha256"] = f"{sha256!r} is no SHA-256, which has 64 hexadecimal digits."
        rows = rows.filter(image__sha256=sha256.lower())
    if errors:
        raise ValidationError(errors)
    return rows
