"""The shapes of cases and their notes for machines."""

import uuid
from typing import Any

from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request

from detection.api.case_shapes import CASE_OUTCOMES
from detection.api.serializers import NoUnknownFields
from detection.models import Case, CaseNote
from detection.models.case import MAX_DESCRIPTION, MAX_TITLE
from detection.services.case_notes import MAX_TEXT
from detection.services.case_summary import outcome_counts, people_of
from detection.services.cases import MAX_AT_ONCE


class Words(serializers.CharField):
    """Text, and no number that could be written as one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class Version(serializers.IntegerField):
    """The version that the caller has seen."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, (int, float)) or isinstance(data, bool):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class Switch(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class CaseForm(NoUnknownFields, serializers.Serializer[Case]):
    """What a caller may say of a new case."""

    title = Words(max_length=MAX_TITLE)
    description = Words(max_length=MAX_DESCRIPTION, allow_blank=True, required=False)
    tags = serializers.ListField(
        child=Words(max_length=40, allow_blank=True), max_length=20, required=False
    )


class CaseChanges(CaseForm):
    """Any of it, for the version that was seen."""

    version = Version(min_value=1)
    title = Words(max_length=MAX_TITLE, required=False)
    is_closed = Switch(required=False)


class ImagesForm(NoUnknownFields, serializers.Serializer[Any]):
    """Which images, by a detection of each."""

    detections = serializers.ListField(
        child=serializers.UUIDField(), allow_empty=False, max_length=MAX_AT_ONCE
    )
    share_confidential = Switch(required=False, default=False)


class NoteForm(NoUnknownFields, serializers.Serializer[CaseNote]):
    text = Words(max_length=MAX_TEXT)


class NoteChanges(NoteForm):
    version = Version(min_value=1)


class CaseSerializer(serializers.ModelSerializer[Case]):
    """One case; `context` holds the request and the counts of the cases of one answer."""

    tags = serializers.SerializerMethodField()
    role = serializers.SerializerMethodField()
    people = serializers.SerializerMethodField()
    image_count = serializers.SerializerMethodField()
    counts = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = Case
        fields = [
            "id",
            "title",
            "description",
            "tags",
            "version",
            "role",
            "people",
            "created_at",
            "closed_at",
            "image_count",
            "counts",
            "links",
        ]

    def get_tags(self, row: Case) -> list[str]:
        return [tag.name for tag in row.tags.all()]

    def get_role(self, row: Case) -> str:
        return row.role_of(self.context["request"].user)

    def get_people(self, row: Case) -> list[dict[str, str]]:
        return [{"name": str(one.user), "role": one.role} for one in people_of(row)]

    def get_image_count(self, row: Case) -> int:
        return sum(self._counts(row).values())

    def get_counts(self, row: Case) -> dict[str, int]:
        return dict.fromkeys(CASE_OUTCOMES, 0) | self._counts(row)

    def get_links(self, row: Case) -> dict[str, str]:
        request: Request = self.context["request"]
        images = request.build_absolute_uri(reverse("api_detections"))
        return {
            "page": request.build_absolute_uri(reverse("case", args=[row.pk])),
            "images": f"{images}?case={row.pk}",
            "notes": request.build_absolute_uri(reverse("api_case_notes", args=[row.pk])),
        }

    def _counts(self, row: Case) -> dict[str, int]:
        known: dict[uuid.UUID, dict[str, int]] = self.context["counts"]
        return known.get(row.pk, {})


class NoteSerializer(serializers.ModelSerializer[CaseNote]):
    """One note; its text is empty where it was removed, or its author erased."""

    author = serializers.CharField()
    text = serializers.CharField(source="latest.text")
    changed_at = serializers.SerializerMethodField()

    class Meta:
        model = CaseNote
        fields = ["id", "author", "text", "version", "created_at", "changed_at", "removed_at"]

    def get_changed_at(self, row: CaseNote) -> Any:
        return row.latest.created_at if row.version > 1 else None


def shown_cases(rows: list[Case], request: Request) -> Any:
    """Cases of one answer, their images counted in one go."""
    counts = outcome_counts(row.pk for row in rows)
    return CaseSerializer(rows, many=True, context={"request": request, "counts": counts}).data


def shown_case(row: Case, request: Request) -> Any:
    return shown_cases([row], request)[0]
