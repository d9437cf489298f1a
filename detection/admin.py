"""For operators: everything of the domain can be read here and nothing changed."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from accounts.read_only_admin import ReadOnlyAdmin
from detection.models import (
    Case,
    Detection,
    IdempotencyKey,
    Image,
    ModelVersion,
    Report,
    Submission,
)
from detection.models.image import visibility


class VisibleAdmin(ReadOnlyAdmin):
    """Only what this person may see on the pages too: a confidential image is its owner's alone."""

    image_path = "image__"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        if not isinstance(request.user, User):
            return super().get_queryset(request).none()
        return super().get_queryset(request).filter(visibility(request.user, self.image_path))


@admin.register(Image)
class ImageAdmin(VisibleAdmin):
    image_path = ""
    list_display = ("id", "owner", "format", "width", "height", "size_bytes", "created_at")
    search_fields = ("sha256",)


@admin.register(Detection)
class DetectionAdmin(VisibleAdmin):
    list_display = ("id", "status", "verdict", "probability", "attempt", "created_at")
    list_filter = ("status", "verdict", "model_version")
    exclude = ("activation_shape",)


@admin.register(Submission)
class SubmissionAdmin(VisibleAdmin):
    list_display = ("id", "by", "via", "priority", "created_at")
    list_filter = ("via", "priority")


@admin.register(Report)
class ReportAdmin(VisibleAdmin):
    image_path = "detection__image__"
    list_display = ("id", "by", "language", "key", "created_at", "revoked_at")


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ("name", "version", "state", "artifact_sha256", "activated_at")


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin):
    list_display = ("title", "owner", "created_at", "closed_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """A case is for its owner and the people in it."""
        if not isinstance(request.user, User):
            return Case.objects.none()
        return Case.objects.visible_to(request.user)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    list_display = ("endpoint", "owner", "status_code", "created_at")
    fields = ("owner", "endpoint", "status_code", "created_at")
