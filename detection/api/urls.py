"""Version 1 of the API."""

from django.urls import path, re_path
from django.views.decorators.cache import never_cache

from detection.api import base, detections, uploads

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
    re_path("", base.Nowhere.as_view()),
]
