"""For operators: everything of the domain can be read here and nothing changed."""

from django.contrib import admin

from accounts.read_only_admin import ReadOnlyAdmin
from detection.models import (
    Case,
    Detection,
    IdempotencyKey,
    Image,
    ModelVersion,
    Submission,
)


@admin.register(Image)
class ImageAdmin(ReadOnlyAdmin):
    list_display = ("id", "owner", "format", "width", "height", "size_bytes", "created_at")
    search_fields = ("sha256",)


@admin.register(Detection)
class DetectionAdmin(ReadOnlyAdmin):
    list_display = ("id", "status", "verdict", "probability", "attempt", "created_at")
    list_filter = ("status", "verdict", "model_version")
    exclude = ("activation_shape",)


@admin.register(Submission)
class SubmissionAdmin(ReadOnlyAdmin):
    list_display = ("id", "by", "via", "priority", "created_at")
    list_filter = ("via", "priority")


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ("name", "version", "state", "artifact_sha256", "activated_at")


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin):
    list_display = ("title", "owner", "created_at", "closed_at")


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    list_display = ("endpoint", "owner", "status_code", "created_at")
    fields = ("owner", "endpoint", "status_code", "created_at")
