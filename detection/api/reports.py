"""Signed reports for machines: `/api/v1/detections/{id}/reports` and `/api/v1/reports`."""

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.client_address import client_network
from accounts.models import ApiKey, User
from deepfake_site.problems import MEDIA_TYPE
from deepfake_site.rate_limits import Limit, take
from detection.api.base import OneShape, caller, key_of, visible_detections
from detection.api.parsers import ObjectParser
from detection.api.permissions import DetectionScopes
from detection.api.request_shapes import NEW_REPORT
from detection.api.schema import JSON, operation, query
from detection.api.serializers import NoUnknownFields
from detection.api.shapes import ref
from detection.models import Report, ReportKey
from detection.models.report import ReportQuerySet
from detection.sandbox import sandboxed
from detection.services import reports
from detection.services.report_checks import issued_as, standing_of

FROM_NETWORK = Limit(60, 60)
HOLDER = query(
    "sha256",
    "Of the file of a report that you hold: then no key is needed.",
    pattern="^[0-9a-f]{64}$",
)


class ReportForm(NoUnknownFields, serializers.Serializer[Report]):
    """What may be said of a report that is wanted."""

    language = serializers.ChoiceField(settings.LANGUAGES, default="en")
    recipient = serializers.CharField(max_length=200, allow_blank=True, default="")
    is_named = serializers.BooleanField(default=False)
    has_pictures = serializers.BooleanField(default=True)


class ReportCollection(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]
    parser_classes = [ObjectParser]

    @operation("listReports", tag="Reports", answers={200: "ReportList"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """Every report about one detection, newest first."""
        detection = get_object_or_404(visible_detections(request), pk=pk)
        rows = Report.objects.filter(detection=detection).select_related("detection__image")
        return Response({"results": [_shown(request, row) for row in rows]})

    @operation(
        "issueReport",
        tag="Reports",
        answers={201: "Report"},
        problems=[400, 404, 409, 413, 415, 507],
        body={JSON: NEW_REPORT},
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Make and sign a report about a verdict, as PDF and as JSON."""
        detection = get_object_or_404(visible_detections(request), pk=pk)
        form = ReportForm(data=request.data)
        form.is_valid(raise_exception=True)
        row = reports.issue(
            by=caller(request), detection=detection, api_key=key_of(request), **form.validated_data
        )
        body = _shown(request, row)
        headers = {"Location": body["links"]["status"]}
        return Response(body, status=status.HTTP_201_CREATED, headers=headers)


class ReportResource(APIView):
    permission_classes = [AllowAny]

    @operation(
        "readReport",
        tag="Reports",
        answers={200: "ReportStatus"},
        problems=[404],
        parameters=[HOLDER],
    )
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """What became of a report: for those who see its image, and for whoever holds its file."""
        _count(request)
        sha256 = request.query_params.get("sha256", "")
        row = issued_as(pk, sha256) or _visible(request).filter(pk=pk).first()
        if row is None:
            raise NotFound
        return Response(_status(row))


class ReportKeys(APIView):
    permission_classes = [AllowAny]

    @operation("listReportKeys", tag="Reports", answers={200: "ReportKeyList"})
    def get(self, request: Request) -> Response:
        """The public keys with which this desk signs reports, or did; open to everybody."""
        _count(request)
        keys = [
            {
                "id": row.pk,
                "algorithm": "Ed25519",
                "public_key": row.public_key,
                "created_at": row.created_at,
                "retired_at": row.retired_at,
            }
            for row in ReportKey.objects.all()
        ]
        return Response({"keys": keys})


def _file_of(kind: str, media_type: str) -> Any:
    return extend_schema(
        operation_id=f"readReport{kind.capitalize()}",
        tags=["Reports"],
        responses={
            (200, media_type): OpenApiTypes.BINARY,
            **{(code, MEDIA_TYPE): ref("Problem") for code in (401, 403, 404, 409, 410, 429)},
        },
    )


class ReportFile(APIView):
    """The bytes of one of a report's files; that they were fetched is recorded."""

    permission_classes = [*APIView.permission_classes, DetectionScopes]
    content_negotiation_class = OneShape
    kind: ClassVar[str]

    def answer(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        report = get_object_or_404(_visible(request), pk=pk)
        data = reports.record_download(by=caller(request), report=report, kind=self.kind)
        response = HttpResponse(data, content_type=reports.KINDS[self.kind])
        response["Content-Disposition"] = f'attachment; filename="{pk}.{self.kind}"'
        return sandboxed(response, cache_control="no-store")


class ReportPdf(ReportFile):
    kind = "pdf"

    @_file_of("pdf", "application/pdf")
    def get(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        """The report as PDF, signed behind its end."""
        return self.answer(request, pk)


class ReportJson(ReportFile):
    kind = "json"

    @_file_of("json", "application/json")
    def get(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        """The report as JSON, signed; to be checked, its bytes must stay as they come."""
        return self.answer(request, pk)


class ReportRevocation(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]

    @operation("revokeReport", tag="Reports", answers={200: "Report"}, problems=[404])
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Say for good that a report no longer stands, and close its links."""
        row = get_object_or_404(_visible(request), pk=pk)
        if not reports.may_revoke(caller(request), row):
            raise NotFound
        reports.revoke(by=caller(request), report=row)
        row.refresh_from_db(fields=["revoked_at"])
        return Response(_shown(request, row))


def _visible(request: Request) -> ReportQuerySet:
    """Reports that the caller may see: with a key, if it may read detections."""
    if not isinstance(request.user, User) or not _may_read(request):
        return Report.objects.none()
    rows = Report.objects.visible_to(request.user)
    return rows.select_related("detection__image__owner")


def _may_read(request: Request) -> bool:
    key = key_of(request)
    return key is None or key.allows(ApiKey.Scope.DETECTIONS_READ)


def _count(request: Request) -> None:
    """Those whom nothing else counts are counted by where they come from."""
    if not isinstance(request.user, User):
        taken = take("report_status", client_network(request._request), FROM_NETWORK)
        if not taken.is_allowed:
            raise Throttled(wait=taken.wait_s)


def _status(row: Report) -> dict[str, Any]:
    standing = standing_of(row)
    return {
        "id": str(row.pk),
        "issued_at": row.created_at,
        "language": row.language,
        "state": standing.state,
        "because": standing.because or None,
        "key": row.key_id,
    }


def _shown(request: Request, row: Report) -> dict[str, Any]:
    def address(name: str) -> str:
        return request.build_absolute_uri(reverse(name, args=[row.pk]))

    is_kept = row.removed_at is None
    return {
        **_status(row),
        "detection": str(row.detection_id),
        "recipient": row.recipient,
        "is_named": row.is_named,
        "has_pictures": row.has_pictures,
        "pdf_sha256": row.pdf_sha256,
        "json_sha256": row.json_sha256,
        "links": {
            "status": address("api_report"),
            "pdf": address("api_report_pdf") if is_kept else None,
            "json": address("api_report_json") if is_kept else None,
        },
    }
