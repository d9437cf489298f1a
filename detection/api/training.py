"""Training runs for machines, of administrators: `/api/v1/training-runs`."""

import uuid
from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detection.api.base import caller, key_of, keyset_page
from detection.api.parsers import ObjectParser
from detection.api.permissions import AdministratorsOnly, DeskScopes
from detection.api.schema import JSON, operation, query
from detection.api.training_serializers import TrainingOrder, TrainingRunSerializer
from detection.api.training_shapes import NEW_TRAINING_RUN
from detection.models import TrainingRun
from detection.services import training
from detection.services.training import Order

RELATED = ("snapshot", "started_from", "candidate")


class TrainingView(APIView):
    """For administrators; to others there is nothing here."""

    permission_classes = [*APIView.permission_classes, DeskScopes, AdministratorsOnly]
    parser_classes = [ObjectParser]


class TrainingRunCollection(TrainingView):
    @operation(
        "listTrainingRuns",
        tag="Training",
        answers={200: "TrainingRunPage"},
        problems=[400, 404],
        parameters=[query("cursor", "`next` of the page before.", format="cursor")],
    )
    def get(self, request: Request) -> Response:
        """All runs, newest first, in keyset pages."""
        rows = TrainingRun.objects.select_related(*RELATED)
        return keyset_page(rows, request.query_params, _shown)

    @operation(
        "startTrainingRun",
        tag="Training",
        answers={202: "TrainingRun"},
        problems=[400, 404, 409, 413, 415, 422, 507],
        body={JSON: NEW_TRAINING_RUN},
    )
    def post(self, request: Request) -> Response:
        """Order a run: 202; one runs at a time, and `already_training` names the one that does."""
        form = TrainingOrder(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = dict(form.validated_data)
        key = key_of(request)
        run = training.order(
            Order(
                by=caller(request),
                api_key=key,
                via=TrainingRun.Via.API if key else TrainingRun.Via.PAGE,
                datasets=tuple(wanted.pop("datasets", ())),
                **wanted,
            )
        )
        location = request.build_absolute_uri(reverse("api_training_run", args=[run.pk]))
        body = TrainingRunSerializer(run).data
        return Response(body, status=status.HTTP_202_ACCEPTED, headers={"Location": location})


class TrainingRunResource(TrainingView):
    @operation("readTrainingRun", tag="Training", answers={200: "TrainingRun"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """How far a run is, and what came of it."""
        return Response(TrainingRunSerializer(_run(pk)).data)


class TrainingRunCancellation(TrainingView):
    @operation(
        "cancelTrainingRun", tag="Training", answers={202: "TrainingRun"}, problems=[404, 409]
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Call a run off: 202; where a trainer works on it, it ends within seconds."""
        training.cancel(_run(pk), by=caller(request))
        return Response(TrainingRunSerializer(_run(pk)).data, status=status.HTTP_202_ACCEPTED)


def _run(pk: uuid.UUID) -> TrainingRun:
    return get_object_or_404(TrainingRun.objects.select_related(*RELATED), pk=pk)


def _shown(rows: list[TrainingRun]) -> Any:
    return TrainingRunSerializer(rows, many=True).data
