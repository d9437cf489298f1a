"""Version 1 of the API."""

from django.urls import path, re_path
from django.views.decorators.cache import never_cache

from detection.api import base, detections

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
    re_path("", base.Nowhere.as_view()),
]
