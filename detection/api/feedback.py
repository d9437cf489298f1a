"""Claims about verdicts: `/api/v1/detections/{id}/feedback`."""

import uuid
from typing import Any

from django.db import transaction
from django.shortcuts import get_object_or_404
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detection.api import idempotency
from detection.api.base import caller, key_of, visible_detections
from detection.api.parsers import ObjectParser
from detection.api.permissions import FeedbackScopes
from detection.api.request_shapes import FEEDBACK
from detection.api.schema import FORM, JSON, ONCE, operation
from detection.api.serializers import NoUnknownFields
from detection.models import Detection, Feedback
from detection.services import feedback
from detection.services.idempotency import claim


class FeedbackSerializer(NoUnknownFields, serializers.ModelSerializer[Feedback]):
    """What somebody holds the image to be, and why they say so."""

    comment = serializers.CharField(required=False, allow_blank=True, max_length=2000)

    class Meta:
        model = Feedback
        fields = ["id", "detection", "label", "category", "comment", "created_at"]
        read_only_fields = ["id", "detection", "created_at"]


class FeedbackCollection(APIView):
    """What the caller says about one verdict: one claim, the last, stands."""

    permission_classes = [*APIView.permission_classes, FeedbackScopes]
    parser_classes = [ObjectParser, MultiPartParser]

    @operation(
        "giveFeedback",
        tag="Feedback",
        answers={201: "Feedback"},
        problems=[400, 404, 409, 415, 422],
        body={JSON: FEEDBACK, FORM: FEEDBACK},
        parameters=[ONCE],
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Say that a verdict is wrong, or right; it stays as it is until a person reviews it.

        What you said about it before is replaced.
        """
        detection = self._detection(request, pk)
        form = FeedbackSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        said: dict[str, Any] = {"detection": str(pk), **form.validated_data}
        promise = idempotency.promise_of(request, "feedback", said)
        with transaction.atomic():
            kept = claim(promise) if promise else None
            row = feedback.give(
                by=caller(request),
                detection=detection,
                api_key=key_of(request),
                **form.validated_data,
            )
            answer = Response(FeedbackSerializer(row).data, status=status.HTTP_201_CREATED)
            if kept is not None:
                idempotency.keep(kept, answer, detection=detection)
        return answer

    @operation("getFeedback", tag="Feedback", answers={200: "OwnFeedback"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """What you say about this verdict, or null."""
        claim = feedback.own_claim(caller(request), self._detection(request, pk))
        return Response({"claim": FeedbackSerializer(claim).data if claim else None})

    @operation("withdrawFeedback", tag="Feedback", answers={204: None}, problems=[404, 409])
    def delete(self, request: Request, pk: uuid.UUID) -> Response:
        """Take back what you said about this verdict, if you said anything."""
        feedback.withdraw(by=caller(request), detection=self._detection(request, pk))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _detection(self, request: Request, pk: uuid.UUID) -> Detection:
        return get_object_or_404(visible_detections(request), pk=pk)
