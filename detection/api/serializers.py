"""The shape of a detection for machines."""

import json
from typing import Any

from django.urls import reverse
from rest_framework import serializers

from detection.models import Detection, Submission
from detection.words import failure_sentence


class DetectionSerializer(serializers.ModelSerializer[Detection]):
    """One detection; `metadata` is that of the caller's latest submission of the image."""

    image = serializers.SerializerMethodField()
    model = serializers.SerializerMethodField()
    operating_point = serializers.JSONField(source="model_version.operating_point")
    verdict = serializers.SerializerMethodField()
    failure = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()
    metadata = serializers.SerializerMethodField()

    class Meta:
        model = Detection
        fields = [
            "id",
            "status",
            "created_at",
            "completed_at",
            "image",
            "verdict",
            "probability",
            "reasons",
            "faces",
            "failure",
            "model",
            "operating_point",
            "links",
            "metadata",
        ]

    def get_image(self, row: Detection) -> dict[str, Any]:
        image = row.image
        return {
            "sha256": image.sha256,
            "width": image.width,
            "height": image.height,
            "format": image.format,
            "bytes": image.size_bytes,
        }

    def get_model(self, row: Detection) -> dict[str, str]:
        version = row.model_version
        return {
            "name": version.name,
            "version": version.version,
            "artifact_sha256": version.artifact_sha256,
        }

    def get_verdict(self, row: Detection) -> str | None:
        return row.verdict or None

    def get_failure(self, row: Detection) -> dict[str, str] | None:
        if not row.failure_code:
            return None
        return {"code": row.failure_code, "detail": failure_sentence(row.failure_code)}

    def get_links(self, row: Detection) -> dict[str, str | None]:
        request = self.context["request"]
        page = request.build_absolute_uri(reverse("detection", args=[row.pk]))
        return {"page": page, "report": None, "heatmap": None}

    def get_metadata(self, row: Detection) -> dict[str, Any]:
        mine = [s for s in row.submissions.all() if s.by_id == self.context["request"].user.pk]
        return max(mine, key=lambda s: s.created_at).metadata if mine else {}


class SubmissionSerializer(serializers.Serializer[Submission]):
    """The fields beside the image; the image itself is checked by `detection.validators`."""

    metadata = serializers.CharField(required=False, max_length=8192)
    priority = serializers.ChoiceField(
        Submission.Priority.choices, default=Submission.Priority.INTERACTIVE
    )
    is_confidential = serializers.BooleanField(default=False)

    def validate_metadata(self, value: str) -> dict[str, Any]:
        try:
            parsed = json.loads(value)
        except ValueError:
            raise serializers.ValidationError("metadata must be a JSON object.") from None
        if not isinstance(parsed, dict):
            raise serializers.ValidationError("metadata must be a JSON object.")
        return parsed
