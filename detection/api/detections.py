"""The same functions as the pages, for machines: `/api/v1/detections`."""

import re
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from deepfake_site.problems import MEDIA_TYPE
from detection.api import idempotency
from detection.api.base import (
    OneShape,
    caller,
    key_of,
    keyset_page,
    require_case,
    via,
    visible_detections,
)
from detection.api.parsers import ObjectParser
from detection.api.permissions import DetectionScopes
from detection.api.preferences import applied, held, wished_wait_s
from detection.api.schema import FORM, JSON, ONCE, WAIT, operation, query
from detection.api.serializers import DetectionSerializer, SubmissionSerializer
from detection.api.shapes import SUBMISSION, SUBMISSION_BY_ADDRESS, ref
from detection.errors import Refused
from detection.models import Case, CaseImage, Detection, Submission
from detection.models.detection import DetectionQuerySet
from detection.sandbox import FOR_TEN_MINUTES, sandboxed
from detection.services import evidence, fetching, submission
from detection.services.idempotency import claim
from detection.uploads import StoredUpload, interrupted, uploaded

FILTERS = [
    query("verdict", "Only this one.", enum=Detection.Verdict.values),
    query("status", "Only those in this state.", enum=Detection.Status.values),
    query("since", "Received then or later.", format="date-time"),
    query("until", "Received before.", format="date-time"),
    query("sha256", "Of the image with this SHA-256.", pattern="^[0-9A-Fa-f]{64}$"),
    query("batch", "Of one batch.", format="uuid"),
    query("case", "Of the images of one case.", format="uuid"),
    query("cursor", "`next` of the page before.", format="cursor"),
]
RETRY_AFTER_S = 1
SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


class DetectionCollection(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]
    parser_classes = [MultiPartParser, ObjectParser]

    @operation(
        "listDetections",
        tag="Detections",
        answers={200: "DetectionPage"},
        problems=[400],
        parameters=FILTERS,
    )
    def get(self, request: Request) -> Response:
        """One's detections, newest first, in keyset pages."""
        rows: DetectionQuerySet = _filtered(
            visible_detections(request), request.query_params, caller(request)
        )

        def shown(some: list[Detection]) -> Any:
            return DetectionSerializer(some, many=True, context={"request": request}).data

        return keyset_page(rows, request.query_params, shown)

    @operation(
        "submitImage",
        tag="Detections",
        answers={200: "Detection", 202: "Detection"},
        problems=[400, 409, 413, 415, 422, 503, 507],
        body={FORM: SUBMISSION, JSON: SUBMISSION_BY_ADDRESS},
        parameters=[WAIT, ONCE],
    )
    def post(self, request: Request) -> Response:
        """Accept one image: 202 while it is being judged, 200 when these bytes already were."""
        form = SubmissionSerializer(data=request.data)
        uploads = images_of(request)
        form.is_valid(raise_exception=True)
        promise = idempotency.promise_of(request, "detections", form.said(), uploads)
        fields = dict(form.validated_data)
        require_case(request, fields.get("case", ""))
        with ExitStack() as arrival:
            if url := fields.pop("url", None):
                upload, fields["source_url"] = arrival.enter_context(fetching.fetched(url))
            else:
                (upload,) = uploads
            wanted = submission.Request(
                by=caller(request), via=via(request), api_key=key_of(request), **fields
            )
            file = arrival.enter_context(submission.kept(upload, by=wanted.by))
            with transaction.atomic():
                row = claim(promise) if promise else None
                accepted = submission.accept(file, wanted)
                answer = _acceptance(request, accepted)
                if row is not None:
                    idempotency.keep(row, answer, detection=accepted.detection)
        if answer.status_code == status.HTTP_200_OK:
            return applied(answer, wished_wait_s(request))
        granted_s = held(request, accepted.detection_id)
        if granted_s and (ended := _ended(request, accepted)):
            answer = ended
            if row is not None:
                idempotency.keep(row, answer, detection=accepted.detection)
        return applied(answer, granted_s)


class DetectionResource(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]

    @operation(
        "readDetection",
        tag="Detections",
        answers={200: "Detection"},
        problems=[404],
        parameters=[WAIT],
    )
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """One detection, at once or when it has ended; unfinished, when to ask again."""
        row = get_object_or_404(visible_detections(request), pk=pk)
        granted_s = wished_wait_s(request) if row.is_finished else held(request, pk)
        if granted_s and not row.is_finished:
            row = get_object_or_404(visible_detections(request), pk=pk)
        answer = Response(DetectionSerializer(row, context={"request": request}).data)
        if not row.is_finished:
            answer["Retry-After"] = str(RETRY_AFTER_S)
        return applied(answer, granted_s)


class DetectionHeatmap(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]
    content_negotiation_class = OneShape

    @extend_schema(
        operation_id="readHeatmap",
        tags=["Detections"],
        responses={
            (200, "image/png"): OpenApiTypes.BINARY,
            **{(status, MEDIA_TYPE): ref("Problem") for status in (401, 403, 404, 429)},
        },
    )
    def get(self, request: Request, pk: uuid.UUID) -> HttpResponse:
        """A transparent PNG; where there is nothing to show, it is not found."""
        png = evidence.heatmap(get_object_or_404(visible_detections(request), pk=pk))
        if png is None:
            raise NotFound
        return sandboxed(HttpResponse(png, content_type="image/png"), cache_control=FOR_TEN_MINUTES)


def images_of(request: Request) -> list[StoredUpload]:
    """The one file of the request, or none where it brings an address instead.

    Raises:
        Refused: there is neither, or the body broke off.
        ValidationError: there are several, both, or they came under another name.
    """
    uploads = uploaded(request._request, "image")
    if refusal := interrupted(request._request):
        raise Refused(refusal)
    if strays := sorted(set(request._request.FILES) - {"image"}):
        raise ValidationError(dict.fromkeys(strays, "Unknown field; the file belongs in `image`."))
    has_url = "url" in request.data
    if not uploads and not has_url:
        raise Refused("no_file")
    if len(uploads) + has_url > 1 or (has_url and "image" in request.data):
        raise ValidationError({"image": "Send exactly one image, or one url instead."})
    return uploads


def _acceptance(request: Request, accepted: Submission) -> Response:
    """The answer to a submission, from rows at hand: it is made in the submission's transaction."""
    context = {"request": request, "metadata": accepted.metadata}
    return _response(request, accepted.detection, context)


def _ended(request: Request, accepted: Submission) -> Response | None:
    """The answer with the verdict; None without one, or where the image was erased meanwhile."""
    row = visible_detections(request).filter(pk=accepted.detection_id).first()
    if row is None or not row.is_finished:
        return None
    return _response(request, row, {"request": request, "metadata": accepted.metadata})


def _response(request: Request, row: Detection, context: dict[str, Any]) -> Response:
    headers = {"Location": request.build_absolute_uri(reverse("api_detection", args=[row.pk]))}
    if not row.is_finished:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    code = status.HTTP_200_OK if row.is_finished else status.HTTP_202_ACCEPTED
    return Response(DetectionSerializer(row, context=context).data, status=code, headers=headers)


def _filtered(rows: DetectionQuerySet, params: Any, person: User) -> DetectionQuerySet:
    """Apply the filters of the address; an impossible value is an error, not an empty list."""
    errors = {}
    for name, known in (("verdict", Detection.Verdict), ("status", Detection.Status)):
        if (value := params.get(name)) is not None:
            if value not in known.values:
                errors[name] = f"{value!r} is unknown; say one of {', '.join(known.values)}."
            rows = rows.filter(**{name: value})
    for name, lookup in (("since", "created_at__gte"), ("until", "created_at__lt")):
        if (value := params.get(name)) is not None:
            moment = _moment(value)
            if moment is None:
                errors[name] = f"{value!r} is no moment like 2026-05-01T12:00:00Z."
            else:
                rows = rows.filter(**{lookup: moment})
    if (sha256 := params.get("sha256")) is not None:
        if not SHA256.fullmatch(sha256):
            errors["sha256"] = f"{sha256!r} is no SHA-256, which has 64 hexadecimal digits."
        rows = rows.filter(image__sha256=sha256.lower())
    belongs, unreadable = _belongs(params, person)
    if errors := errors | unreadable:
        raise ValidationError(errors)
    return rows.filter(belongs)


def _belongs(params: Any, person: User) -> tuple[Q, dict[str, str]]:
    """To which batch and case, and what is wrong with their ids."""
    wanted, errors = Q(), {}
    for name, of in (("batch", _of_batch), ("case", _of_case)):
        if (value := params.get(name)) is not None:
            try:
                wanted &= of(uuid.UUID(value), person)
            except ValueError:
                errors[name] = f"{value!r} is no {name}'s id."
    return wanted, errors


def _of_batch(pk: uuid.UUID, _person: User) -> Q:
    return Q(pk__in=Submission.objects.filter(batch=pk).values("detection"))


def _of_case(pk: uuid.UUID, person: User) -> Q:
    mine = Case.objects.visible_to(person).filter(pk=pk)
    return Q(image__in=CaseImage.objects.filter(case__in=mine).values("image"))


def _moment(text: str) -> datetime | None:
    """ISO 8601; without an offset it is UTC. In an address, a plus sign may arrive as a space."""
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+", 1))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # such as an offset that leads to the year 10000
        return None
