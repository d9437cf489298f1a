"""Version 1 of the API."""

from django.urls import path, re_path
from django.views.decorators.cache import never_cache

from detection.api import base, batches, detections, feedback, models, uploads

urlpatterns = [
    path(
        "detections", never_cache(detections.DetectionCollection.as_view()), name="api_detections"
    ),
    path(
        "detections/<uuid:pk>",
        never_cache(detections.DetectionResource.as_view()),
        name="api_detection",
    ),
    path(
        "detections/<uuid:pk>/heatmap",
        detections.DetectionHeatmap.as_view(),
        name="api_detection_heatmap",
    ),
    path("uploads", never_cache(uploads.UploadCollection.as_view()), name="api_uploads"),
    path("uploads/<uuid:pk>", never_cache(uploads.UploadResource.as_view()), name="api_upload"),
    path(
        "detections/<uuid:pk>/feedback",
        feedback.FeedbackCollection.as_view(),
        name="api_feedback",
    ),
    path("detections/batch", batches.BatchCollection.as_view(), name="api_batches"),
    path("batches/<uuid:pk>", never_cache(batches.BatchResource.as_view()), name="api_batch"),
    path("models", never_cache(models.ModelCollection.as_view()), name="api_models"),
    path("models/active", never_cache(models.ActiveModel.as_view()), name="api_active_model"),
    re_path("", base.Nowhere.as_view()),
]
