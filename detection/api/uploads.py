"""Resumable uploads for slow lines, by the tus protocol: `/api/v1/uploads`."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import http_date
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.exceptions import MethodNotAllowed, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detection.api import tus
from detection.api.base import OneShape, caller, key_of, require_case
from detection.api.permissions import UploadScopes
from detection.api.request_shapes import FILE
from detection.api.schema import operation
from detection.api.serializers import SubmissionSerializer
from detection.errors import Refused
from detection.models import ResumableUpload
from detection.services import resumable

FIELDS = {"metadata", "priority", "is_confidential", "review", "callback_url", "case"}
SENT_AS = {"wants_review": "review"}  # names of `submission.Request`
ABOUT_THE_FILE = {"filename", "filetype"}  # what the type is, the bytes say
OVERRIDES = {"HEAD", "PATCH", "DELETE"}
# A line that brings nothing for so long is taken for broken, so that the client may go on by
# another: a phone that changes networks never says good-bye.
STALL_S = 30.0


def _header(name: str, about: str, **shape: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name,
        {"type": "string", **shape},
        OpenApiParameter.HEADER,
        description=about,
        required=name not in {"Upload-Metadata", "Upload-Checksum"},
    )


PROTOCOL = _header("Tus-Resumable", "The protocol's version.", enum=[tus.VERSION])
A_NUMBER = "^[0-9]{1,15}$"


class Unread(BaseParser):
    """Leaves the body to the method that streams it: checking a session's token would parse it."""

    media_type = "*/*"

    def parse(self, *args: Any, **kwargs: Any) -> dict[str, str]:
        return {}


class TusView(APIView):
    permission_classes = [*APIView.permission_classes, UploadScopes]
    parser_classes = [Unread]
    content_negotiation_class = OneShape

    def options(self, *args: Any, **kwargs: Any) -> Response:
        """What of the protocol is spoken here."""
        return Response(status=status.HTTP_204_NO_CONTENT, headers=tus.capabilities())

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response["Tus-Resumable"] = tus.VERSION
        if response.status_code == status.HTTP_412_PRECONDITION_FAILED:
            response["Tus-Version"] = tus.VERSION
        return super().finalize_response(request, response, *args, **kwargs)


class UploadCollection(TusView):
    @operation(
        "beginUpload",
        tag="Uploads",
        answers={201: None},
        problems=[400, 412, 413, 507],
        parameters=[
            PROTOCOL,
            _header("Upload-Length", "The size of the file in bytes.", pattern=A_NUMBER),
            _header("Upload-Metadata", "`filename` and the fields, each value in Base64."),
        ],
    )
    def post(self, request: Request) -> Response:
        """Begin an upload: 201 with its address."""
        tus.require_version(request)
        size_bytes = tus.number(request, "Upload-Length")
        found = tus.metadata(request)
        if unknown := found.keys() - FIELDS - ABOUT_THE_FILE:
            raise ValidationError(dict.fromkeys(sorted(unknown), "Unknown field."))
        form = SubmissionSerializer(data={key: found[key] for key in found.keys() & FIELDS})
        form.is_valid(raise_exception=True)
        require_case(request, form.validated_data.get("case", ""))
        upload = resumable.begin(
            by=caller(request),
            api_key=key_of(request),
            size_bytes=size_bytes,
            file_name=found.get("filename", ""),
            fields=form.validated_data,
        )
        address = request.build_absolute_uri(reverse("api_upload", args=[upload.pk]))
        headers = {"Location": address, "Upload-Expires": _expiry(upload)}
        return Response(status=status.HTTP_201_CREATED, headers=headers)


class UploadResource(TusView):
    def head(self, request: Request, pk: uuid.UUID) -> Response:
        """How much came, and which detection was made of it."""
        upload = _open_upload(request, pk)
        offset = resumable.offset_of(upload)
        headers = _progress(request, upload, offset) | {"Upload-Length": str(upload.size_bytes)}
        if upload.file_name or upload.fields:
            fields = {SENT_AS.get(name, name): value for name, value in upload.fields.items()}
            headers["Upload-Metadata"] = tus.metadata_header(upload.file_name, fields)
        return Response(headers=headers)

    @operation(
        "continueUpload",
        tag="Uploads",
        answers={204: None},
        problems=[400, 404, 409, 410, 412, 413, 415, 422, 423, 460, 503, 507],
        body={tus.BODY_TYPE: FILE},
        parameters=[
            PROTOCOL,
            _header("Upload-Offset", "How many bytes came before.", pattern=A_NUMBER),
            _header("Upload-Checksum", "`sha1` or `sha256`, a space, the digest in Base64."),
        ],
    )
    def patch(self, request: Request, pk: uuid.UUID) -> Response:
        """Append the body; with the last byte the image is submitted. `HEAD` says how much came."""
        upload = _open_upload(request, pk)
        tus.require_body_type(request)
        with _stalls_end(request):
            offset = resumable.receive(
                upload,
                offset=tus.number(request, "Upload-Offset"),
                length=tus.number(request, "Content-Length"),
                read=request._request.read,
                checksum=tus.checksum(request),
            )
        headers = _progress(request, upload, offset)
        return Response(status=status.HTTP_204_NO_CONTENT, headers=headers)

    @operation(
        "endUpload",
        tag="Uploads",
        answers={204: None},
        problems=[404, 412, 423],
        parameters=[PROTOCOL],
    )
    def delete(self, request: Request, pk: uuid.UUID) -> Response:
        """End an upload; what it has submitted stays."""
        upload = _upload(request, pk)
        tus.require_version(request)
        resumable.terminate(upload)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @operation(
        "tunnelUpload",
        tag="Uploads",
        answers={200: None, 204: None},
        problems=[400, 404, 405, 409, 410, 412, 413, 415, 422, 423, 460, 503, 507],
        parameters=[
            PROTOCOL,
            _header("X-HTTP-Method-Override", "What is meant.", enum=sorted(OVERRIDES)),
        ],
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Another method, from where the network lets only this one through."""
        method = request.headers.get("X-HTTP-Method-Override", "").upper()
        if method not in OVERRIDES:
            raise MethodNotAllowed("POST")
        answer: Response = getattr(self, method.lower())(request, pk)
        return answer


def _upload(request: Request, pk: uuid.UUID) -> ResumableUpload:
    rows = ResumableUpload.objects.select_related("owner", "api_key")
    return get_object_or_404(rows, owner=caller(request), pk=pk)


def _open_upload(request: Request, pk: uuid.UUID) -> ResumableUpload:
    upload = _upload(request, pk)
    tus.require_version(request)
    if upload.has_ended:
        raise Refused("upload_gone")
    return upload


def _progress(request: Request, upload: ResumableUpload, offset: int) -> dict[str, str]:
    headers = {"Upload-Offset": str(offset), "Upload-Expires": _expiry(upload)}
    if upload.submission is not None:
        path = reverse("api_detection", args=[upload.submission.detection_id])
        headers["Unmask-Detection"] = request.build_absolute_uri(path)
    return headers


def _expiry(upload: ResumableUpload) -> str:
    return http_date(upload.expires_at.timestamp())


@contextmanager
def _stalls_end(request: Request) -> Iterator[None]:
    """Where the server lets us, limit how long one read of the body may wait."""
    line = request.META.get("gunicorn.socket")
    if line is None:
        yield
        return
    before = line.gettimeout()
    line.settimeout(STALL_S)
    try:
        yield
    finally:
        line.settimeout(before)
