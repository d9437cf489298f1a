"""The shape of a detection for machines."""

import json
import math
import re
from dataclasses import asdict
from functools import cached_property
from typing import Any

from django.db.models import prefetch_related_objects
from django.urls import reverse
from rest_framework import serializers
from rest_framework.fields import empty

from deepfake_site import outbound
from detection.api.base import caller, reviews_shown_to
from detection.api.file_answer import file_answer
from detection.expected_share import expectation
from detection.models import Batch, Detection, Installation, ReviewItem, Submission
from detection.services import review
from detection.stated_reasons import stated_reasons
from detection.words import delivery_error_sentence, failure_sentence

MAX_METADATA = 8192  # characters
MAX_LEVELS = 16  # of objects and lists inside each other
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
BAD_METADATA = "metadata must be a JSON object, without NUL characters or infinite numbers."


def acceptable_url(value: str) -> str:
    """An address of somebody else's system, if it is one that this desk would connect to."""
    try:
        outbound.check_url(value)
    except outbound.NotPublic:
        code = "address_refused"  # as that of the attempt that it would come to
        raise serializers.ValidationError(delivery_error_sentence(code), code) from None
    except ValueError as error:
        raise serializers.ValidationError(str(error)) from None
    return value


class DetectionSerializer(serializers.ModelSerializer[Detection]):
    """One detection; `metadata` is that of the caller's latest submission of the image."""

    image = serializers.SerializerMethodField()
    model = serializers.SerializerMethodField()
    operating_point = serializers.JSONField(source="model_version.operating_point")
    verdict = serializers.SerializerMethodField()
    expected = serializers.SerializerMethodField()
    faces = serializers.SerializerMethodField()
    reasons = serializers.SerializerMethodField()
    failure = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()
    file = serializers.SerializerMethodField()
    review = serializers.SerializerMethodField()
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
            "expected",
            "reasons",
            "faces",
            "failure",
            "model",
            "operating_point",
            "links",
            "judged_before",
            "file",
            "review",
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

    def get_expected(self, row: Detection) -> dict[str, float] | None:
        """The probability under the share of fakes that the desk expects."""
        found = expectation(row.probability, row.model_version, self._expected_fake_share)
        return None if found is None else asdict(found)

    @cached_property  # one question for all rows of a list
    def _expected_fake_share(self) -> float | None:
        return Installation.objects.expected_fake_share()

    def get_faces(self, row: Detection) -> list[dict[str, Any]]:
        """Without the maps: they are what the heatmap shows."""
        return [{name: face.get(name) for name in ("box", "probability")} for face in row.faces]

    def get_reasons(self, row: Detection) -> list[str]:
        return stated_reasons(row)

    def get_failure(self, row: Detection) -> dict[str, str] | None:
        if not row.failure_code:
            return None
        return {"code": row.failure_code, "detail": failure_sentence(row.failure_code)}

    def get_links(self, row: Detection) -> dict[str, str | None]:
        request = self.context["request"]
        page = request.build_absolute_uri(reverse("detection", args=[row.pk]))
        heatmap = request.build_absolute_uri(reverse("api_detection_heatmap", args=[row.pk]))
        issued = getattr(row, "latest_report", None)
        report = issued and request.build_absolute_uri(reverse("api_report_pdf", args=[issued]))
        return {"page": page, "report": report, "heatmap": heatmap if row.has_heatmap else None}

    def get_file(self, row: Detection) -> dict[str, Any] | None:
        return file_answer(row)

    def get_review(self, row: Detection) -> dict[str, Any] | None:
        if row.status != Detection.Status.DONE:
            return None
        if not hasattr(row, "shown_reviews"):
            prefetch_related_objects([row], reviews_shown_to(caller(self.context["request"])))
        shown: list[ReviewItem] = getattr(row, "shown_reviews", [])
        state = review.state_of(shown)
        return None if state is None else asdict(state)

    def get_metadata(self, row: Detection) -> dict[str, Any]:
        """The caller's latest; where a submission is being answered, that one's."""
        if (given := self.context.get("metadata")) is not None:
            return given
        return getattr(row, "own_metadata", None) or {}


FLAGS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}
NOT_OURS = {"image", "images", "csrfmiddlewaretoken"}  # read elsewhere


class NoUnknownFields:
    """Refuses what nobody reads: a misspelt `is_confidential` must not pass for none."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = set(self.initial_data) - set(self.fields) - NOT_OURS  # type: ignore[attr-defined]
        if unknown:
            raise serializers.ValidationError(dict.fromkeys(sorted(unknown), "Unknown field."))
        return attrs

    def said(self) -> dict[str, list[str]]:
        """The fields as they were sent, for comparing one request with another."""
        sent = self.initial_data  # type: ignore[attr-defined]
        list_of = getattr(
            sent, "getlist", lambda name: [sent[name]]
        )  # a form's, or a JSON object's
        return {name: list_of(name) for name in sorted(set(sent) - NOT_OURS)}


class AsSent:
    """A field of a form that, sent empty, is wrong and not absent."""

    def get_value(self, dictionary: Any) -> Any:
        return dictionary.get(self.field_name, empty)  # type: ignore[attr-defined]


class Text(AsSent, serializers.CharField):
    pass


class Metadata(Text):
    """The text of a JSON value, which a form sends, or in a JSON body the value itself."""

    def to_internal_value(self, data: Any) -> str:
        try:
            text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        except RecursionError:
            raise serializers.ValidationError(BAD_METADATA) from None
        return super().to_internal_value(text)


class Choice(AsSent, serializers.ChoiceField):
    pass


class Flag(AsSent, serializers.ChoiceField):
    """True or false, and nothing that may be meant for either."""

    def __init__(self, **options: Any) -> None:
        super().__init__([*FLAGS], **options)

    def to_internal_value(self, data: Any) -> Any:
        return FLAGS[super().to_internal_value(str(data))]


class CallbackUrl(Text):
    """An address that is told of the end of this request's detections."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=outbound.MAX_URL_LENGTH, **options)

    def to_internal_value(self, data: Any) -> str:
        return acceptable_url(super().to_internal_value(data))


class CaseId(AsSent, serializers.UUIDField):
    """The id of a case; which cases the caller may add to, the submission finds out."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, **options)

    def to_internal_value(self, data: Any) -> str:  # type: ignore[override]
        return str(super().to_internal_value(data))


class SubmissionSerializer(NoUnknownFields, serializers.Serializer[Submission]):
    """The fields beside the image; the image itself is checked by `detection.validators`.

    An address, which stands for an image, is checked by `detection.services.fetching`.
    """

    url = Text(required=False, trim_whitespace=False)
    metadata = Metadata(required=False, max_length=MAX_METADATA)
    priority = Choice(Submission.Priority.choices, default=Submission.Priority.INTERACTIVE)
    is_confidential = Flag(default=False)
    review = Flag(default=False, source="wants_review")
    callback_url = CallbackUrl()
    case = CaseId()

    def validate_metadata(self, value: str) -> dict[str, Any]:
        parsed = _parsed(value)
        if not isinstance(parsed, dict):
            raise serializers.ValidationError(BAD_METADATA)
        return parsed


class BatchSerializer(NoUnknownFields, serializers.Serializer[Batch]):
    """The fields beside the images; `metadata` is one object for all, or a list with one each."""

    metadata = Metadata(required=False, max_length=100 * MAX_METADATA)
    priority = Choice(Submission.Priority.choices, default=Submission.Priority.BULK)
    is_confidential = Flag(default=False)
    review = Flag(default=False, source="wants_review")
    callback_url = CallbackUrl()
    case = CaseId()

    def validate_metadata(self, value: str) -> dict[str, Any] | list[dict[str, Any]]:
        parsed = _parsed(value)
        if not isinstance(parsed, list):
            if refusal := _refused_metadata(parsed):
                raise refusal
            return parsed
        wrong: dict[str, Any] = {}
        for place, one in enumerate(parsed):
            if refusal := _refused_metadata(one):
                wrong[str(place)] = refusal.detail
        if wrong:
            raise serializers.ValidationError(wrong)
        return parsed

    def metadata_of_each(self, count: int) -> list[dict[str, Any]]:
        """One object for each image.

        Raises:
            ValidationError: there is a list, and it is not of that length.
        """
        metadata = self.validated_data.get("metadata", {})
        if isinstance(metadata, dict):
            return [metadata] * count
        if len(metadata) != count:
            sentence = f"There are {count} images and {len(metadata)} metadata objects."
            raise serializers.ValidationError({"metadata": sentence})
        return list(metadata)

    def shared(self) -> dict[str, Any]:
        """What counts for each of the images alike."""
        return {name: v for name, v in self.validated_data.items() if name != "metadata"}


def _refused_metadata(said: Any) -> serializers.ValidationError | None:
    """What is wrong with the metadata of one image of a batch."""
    if not isinstance(said, dict):
        return serializers.ValidationError(BAD_METADATA)
    if len(json.dumps(said, ensure_ascii=False)) > MAX_METADATA:
        sentence = f"Each metadata object has at most {MAX_METADATA:,} characters."
        return serializers.ValidationError(sentence, "max_length")
    return None


def _parsed(text: str) -> Any:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        raise serializers.ValidationError(BAD_METADATA) from None
    if not _is_storable(parsed, MAX_LEVELS):
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
