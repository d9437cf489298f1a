"""The networks of this desk and what was measured about them: `/api/v1/models`."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detection.api.permissions import ModelScopes
from detection.api.schema import operation
from detection.errors import Refused
from detection.limits import model_limits
from detection.models import ModelVersion


class ModelSerializer(serializers.ModelSerializer[ModelVersion]):
    """One version: `metrics` by source and degradation, `limits` in sentences."""

    limits = serializers.SerializerMethodField()

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "name",
            "version",
            "state",
            "artifact_sha256",
            "created_at",
            "activated_at",
            "damaged_at",
            "operating_point",
            "metrics",
            "limits",
        ]

    def get_limits(self, row: ModelVersion) -> list[str]:
        return [str(sentence) for sentence in model_limits(row).values()]


class ModelCollection(APIView):
    permission_classes = [*APIView.permission_classes, ModelScopes]

    @operation("listModels", tag="Models", answers={200: "ModelList"})
    def get(self, request: Request) -> Response:
        """Every version that this desk knows, the newest first."""
        rows = ModelVersion.objects.order_by("-created_at")
        return Response({"results": ModelSerializer(rows, many=True).data})


class ActiveModel(APIView):
    permission_classes = [*APIView.permission_classes, ModelScopes]

    @operation("readActiveModel", tag="Models", answers={200: "Model"}, problems=[503])
    def get(self, request: Request) -> Response:
        """The version that judges now."""
        try:
            row = ModelVersion.objects.active()
        except ModelVersion.DoesNotExist:
            raise Refused("no_active_model") from None
        return Response(ModelSerializer(row).data)
