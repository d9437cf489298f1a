"""What people allow and are told: `/api/v1/detections/{id}/training-consent`, `/api/v1/notices`."""

import uuid
from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detection.api.base import caller, keyset_page, visible_detections
from detection.api.parsers import ObjectParser
from detection.api.permissions import DetectionScopes
from detection.api.schema import FLAG, JSON, flag, operation, query
from detection.api.serializers import NoUnknownFields
from detection.api.told_shapes import CONSENT_REQUEST
from detection.models import Detection, Image, Notice
from detection.services import telling
from detection.services.consent import set_training_consent


class ConsentSerializer(NoUnknownFields, serializers.Serializer[Image]):
    allowed = serializers.BooleanField()


class TrainingConsent(APIView):
    """Whether the image of a detection may be learnt from: its owner's word."""

    permission_classes = [*APIView.permission_classes, DetectionScopes]
    parser_classes = [ObjectParser]

    @operation("getTrainingConsent", tag="Feedback", answers={200: "Consent"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """Whether the image may be learnt from, for its owner."""
        return self._answer(self._own(request, pk).image)

    @operation(
        "setTrainingConsent",
        tag="Feedback",
        answers={200: "Consent"},
        problems=[400, 404, 409, 415],
        body={JSON: CONSENT_REQUEST},
    )
    def put(self, request: Request, pk: uuid.UUID) -> Response:
        """Allow that your image is learnt from once a reviewer has decided, or withdraw that."""
        detection = self._own(request, pk)
        form = ConsentSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        set_training_consent(
            by=caller(request),
            image=detection.image,
            is_allowed=form.validated_data["allowed"],
        )
        detection.image.refresh_from_db(fields=["training_consent_at"])
        return self._answer(detection.image)

    def _own(self, request: Request, pk: uuid.UUID) -> Detection:
        """The detection, for the owner of its image; for anybody else there is no such thing."""
        detection = get_object_or_404(visible_detections(request), pk=pk)
        if detection.image.owner_id != caller(request).pk:
            raise Http404
        return detection

    def _answer(self, image: Image) -> Response:
        since = image.training_consent_at
        return Response({"allowed": since is not None, "since": since})


class NoticeSerializer(serializers.ModelSerializer[Notice]):
    about = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = Notice
        fields = ["id", "kind", "detection", "about", "created_at", "seen_at", "links"]

    def get_about(self, row: Notice) -> dict[str, Any]:
        """Without the numbers of the desk's own rows."""
        return {name: value for name, value in row.about.items() if name != "item"}

    def get_links(self, row: Notice) -> dict[str, str]:
        path = reverse("api_detection", args=[row.detection_id])
        return {"detection": self.context["request"].build_absolute_uri(path)}


class NoticeCollection(APIView):
    """The caller's news."""

    permission_classes = [*APIView.permission_classes, DetectionScopes]

    @operation(
        "listNotices",
        tag="Notices",
        answers={200: "NoticePage"},
        problems=[400],
        parameters=[
            query("unseen", "`true`: those you have not seen alone.", enum=FLAG),
            query("cursor", "`next` of the page before.", format="cursor"),
        ],
    )
    def get(self, request: Request) -> Response:
        """What you are told of images, newest first."""
        rows = Notice.objects.visible_to(caller(request)).about_images()
        if flag(request, "unseen", default=False):
            rows = rows.unseen()
        context = {"request": request}
        return keyset_page(
            rows,
            request.query_params,
            lambda found: NoticeSerializer(found, many=True, context=context).data,
        )


class NoticesSeen(APIView):
    """That they were seen."""

    permission_classes = [*APIView.permission_classes, DetectionScopes]

    @operation("markNoticesSeen", tag="Notices", answers={204: None})
    def post(self, request: Request) -> Response:
        """Mark all your news of images as seen."""
        telling.mark_seen(by=caller(request), about_images=True)
        return Response(status=status.HTTP_204_NO_CONTENT)
