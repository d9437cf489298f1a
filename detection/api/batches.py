"""Many images in one request, and how far they are: `/api/v1/detections/batch`, `/batches/{id}`."""

import uuid
from typing import Any

from django.db import transaction
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import audit
from deepfake_site.problems import problem_body
from detection.api import idempotency
from detection.api.base import caller, key_of, require_case, via, visible_detections
from detection.api.permissions import DetectionScopes
from detection.api.request_shapes import BATCH
from detection.api.schema import FLAG, FORM, ONCE, flag, operation, query
from detection.api.serializers import BatchSerializer, DetectionSerializer
from detection.errors import Refused
from detection.models import Batch, Detection
from detection.services import batches, submission
from detection.services.batches import Outcome
from detection.services.idempotency import claim
from detection.uploads import StoredUpload, interrupted, uploaded

FIELD = "images"
RETRY_AFTER_S = 5


class BatchCollection(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]
    parser_classes = [MultiPartParser]

    @operation(
        "submitBatch",
        tag="Batches",
        answers={202: "BatchAcceptance"},
        problems=[400, 413, 415, 422, 503, 507],
        body={FORM: BATCH},
        parameters=[ONCE],
    )
    def post(self, request: Request) -> Response:
        """Accept up to 100 images; the answer says of each what became of it."""
        form = BatchSerializer(data=request.data)
        uploads = _images(request)
        form.is_valid(raise_exception=True)
        metadata = form.metadata_of_each(len(uploads))
        promise = idempotency.promise_of(request, "batches", form.said(), uploads)
        require_case(request, form.validated_data.get("case", ""))
        wanted = submission.Request(
            by=caller(request), via=via(request), api_key=key_of(request), **form.shared()
        )
        with batches.kept(uploads, by=wanted.by) as files, transaction.atomic():
            row = claim(promise) if promise else None
            with audit.together():
                batch, outcomes = batches.accept(files, uploads, wanted, metadata)
                answer = _acceptance(request, batch, outcomes)
                if row is not None:
                    idempotency.keep(row, answer, batch=batch)
        return answer


class BatchResource(APIView):
    permission_classes = [*APIView.permission_classes, DetectionScopes]

    @operation(
        "readBatch",
        tag="Batches",
        answers={200: "Batch"},
        problems=[400, 404],
        parameters=[
            query("results", "`false`: how many alone, to be asked often.", enum=FLAG),
        ],
    )
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """How far the images of one of one's own batches are, each by its place in the request."""
        has_results = flag(request, "results", default=True)
        batch = get_object_or_404(Batch, pk=pk, by=caller(request))
        counts = batches.progress(batch)
        body = {
            "id": str(batch.pk),
            "created_at": batch.created_at,
            "size": batch.size,
            "counts": counts,
            "results": _results(request, batch) if has_results else None,
            "links": _links(request, batch),
        }
        headers = {}
        if counts["queued"] or counts["running"]:
            headers["Retry-After"] = str(RETRY_AFTER_S)
        return Response(body, headers=headers)


def _images(request: Request) -> list[StoredUpload]:
    uploads = uploaded(request._request, FIELD)
    if refusal := interrupted(request._request):
        raise Refused(refusal)
    if strays := sorted(set(request._request.FILES) - {FIELD}):
        raise ValidationError(dict.fromkeys(strays, f"Unknown field; files belong in `{FIELD}`."))
    if not uploads:
        raise Refused("no_file")
    if len(uploads) > batches.MAX_IMAGES:
        raise ValidationError({FIELD: f"Send at most {batches.MAX_IMAGES} images."})
    return uploads


def _acceptance(request: Request, batch: Batch, outcomes: list[Outcome]) -> Response:
    links = _links(request, batch)
    context: dict[str, Any] = {"request": request}
    shown = DetectionSerializer(context=context)  # one, which asks once what counts for all
    results = []
    for number, one in enumerate(outcomes):
        context["metadata"] = one.submission.metadata if one.submission else None
        results.append(_result(shown, number, one))
    body = {
        "id": str(batch.pk),
        "created_at": batch.created_at,
        "size": batch.size,
        "results": results,
        "links": links,
    }
    headers = {"Location": links["batch"], "Retry-After": str(RETRY_AFTER_S)}
    return Response(body, status=status.HTTP_202_ACCEPTED, headers=headers)


def _result(shown: DetectionSerializer, position: int, outcome: Outcome) -> dict[str, Any]:
    if outcome.refusal is not None:
        result = _refused(outcome.refusal)
    elif outcome.submission is not None:
        result = _judged(shown, outcome.submission.detection)
    return {"position": position, "file_name": outcome.file_name, **result}


def _results(request: Request, batch: Batch) -> list[dict[str, Any]]:
    """What became of each file by now, in the order sent; of a refused one no name was kept."""
    sent = batch.submissions.order_by("batch_position", "created_at")
    wanted = visible_detections(request).filter(pk__in=sent.order_by().values("detection"))
    detections = {row.pk: row for row in wanted}
    context: dict[str, Any] = {"request": request}
    shown = DetectionSerializer(context=context)
    results = []
    for one in sent:
        row = detections.get(one.detection_id)
        context["metadata"] = one.metadata
        result = _erased() if row is None else _judged(shown, row)
        results.append({"position": one.batch_position, "file_name": one.file_name, **result})
    for position, code in (batch.refused or {}).items():
        results.append({"position": int(position), "file_name": None, **_refused(Refused(code))})
    return sorted(results, key=lambda result: result["position"] or 0)


def _judged(shown: DetectionSerializer, row: Detection) -> dict[str, Any]:
    code = status.HTTP_200_OK if row.is_finished else status.HTTP_202_ACCEPTED
    return {"status": code, "detection": shown.to_representation(row), "problem": None}


def _refused(refusal: Refused) -> dict[str, Any]:
    problem = problem_body(refusal.status, refusal.code, refusal.detail)
    return {"status": refusal.status, "detection": None, "problem": problem}


def _erased() -> dict[str, Any]:
    """As its detection's own address answers."""
    gone = NotFound()
    problem = problem_body(gone.status_code, gone.default_code, str(gone.detail))
    return {"status": gone.status_code, "detection": None, "problem": problem}


def _links(request: Request, batch: Batch) -> dict[str, str]:
    detections = request.build_absolute_uri(reverse("api_detections"))
    return {
        "batch": request.build_absolute_uri(reverse("api_batch", args=[batch.pk])),
        "detections": f"{detections}?batch={batch.pk}",
    }
