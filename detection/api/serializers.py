"""The shape of a detection for machines."""

import json
import math
import re
from typing import Any

from django.urls import reverse
from rest_framework import serializers

from deepfake_site import outbound
from detection.models import Detection, Submission
from detection.words import failure_sentence

MAX_LEVELS = 16  # of objects and lists inside each other
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
BAD_METADATA = "metadata must be a JSON object, without NUL characters or infinite numbers."


def acceptable_url(value: str) -> str:
    """An address of somebody else's system, if it is one that this desk would connect to."""
    try:
        outbound.check_url(value)
    except ValueError as error:
        raise serializers.ValidationError(str(error)) from None
    return value


class DetectionSerializer(serializers.ModelSerializer[Detection]):
    """One detection; `metadata` is that of the caller's latest submission of the image."""

    image = serializers.SerializerMethodField()
    model = serializers.SerializerMethodField()
    operating_point = serializers.JSONField(source="model_version.operating_point")
    verdict = serializers.SerializerMethodField()
    faces = serializers.SerializerMethodField()
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

    def get_faces(self, row: Detection) -> list[dict[str, Any]]:
        """Without the maps: they are what the heatmap shows."""
        return [{name: face.get(name) for name in ("box", "probability")} for face in row.faces]

    def get_failure(self, row: Detection) -> dict[str, str] | None:
        if not row.failure_code:
            return None
        return {"code": row.failure_code, "detail": failure_sentence(row.failure_code)}

    def get_links(self, row: Detection) -> dict[str, str | None]:
        request = self.context["request"]
        page = request.build_absolute_uri(reverse("detection", args=[row.pk]))
        heatmap = request.build_absolute_uri(reverse("api_detection_heatmap", args=[row.pk]))
        return {"page": page, "report": None, "heatmap": heatmap if row.has_heatmap else None}

    def get_metadata(self, row: Detection) -> dict[str, Any]:
        mine = [s for s in row.submissions.all() if s.by_id == self.context["request"].user.pk]
        return max(mine, key=lambda s: s.created_at).metadata if mine else {}


class MetadataField(serializers.CharField):
    """The text of a JSON value, which a form sends, or in a JSON body the value itself."""

    def to_internal_value(self, data: Any) -> str:
        try:
            text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        except RecursionError:
            raise serializers.ValidationError(BAD_METADATA) from None
        return super().to_internal_value(text)


NOT_OURS = {"image", "csrfmiddlewaretoken"}  # read elsewhere


class SubmissionSerializer(serializers.Serializer[Submission]):
    """The fields beside the image; the image itself is checked by `detection.validators`.

    An address, which stands for an image, is checked by `detection.services.fetching`.
    """

    url = serializers.CharField(required=False, trim_whitespace=False)
    metadata = MetadataField(required=False, max_length=8192)
    priority = serializers.ChoiceField(
        Submission.Priority.choices, default=Submission.Priority.INTERACTIVE
    )
    is_confidential = serializers.BooleanField(default=False)
    callback_url = serializers.CharField(required=False, max_length=outbound.MAX_URL_LENGTH)

    def validate_callback_url(self, value: str) -> str:
        return acceptable_url(value)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what nobody reads: a misspelt `is_confidential` must not pass for none."""
        unknown = set(self.initial_data) - set(self.fields) - NOT_OURS
        if unknown:
            raise serializers.ValidationError(dict.fromkeys(sorted(unknown), "Unknown field."))
        return attrs

    def validate_metadata(self, value: str) -> dict[str, Any]:
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            raise serializers.ValidationError(BAD_METADATA) from None
        if not isinstance(parsed, dict) or not _is_storable(parsed, MAX_LEVELS):
            raise serializers.ValidationError(BAD_METADATA)
        return parsed


def _is_storable(value: Any, levels: int) -> bool:
    """Whether every database keeps this JSON value as it is."""
    if isinstance(value, dict):
        value = [part for item in value.items() for part in item]
    if isinstance(value, list):
        return levels > 0 and all(_is_storable(item, levels - 1) for item in value)
    if isinstance(value, str):
        return "\x00" not in value and not HALF_CHARACTER.search(value)
    return not isinstance(value, float) or math.isfinite(value)
