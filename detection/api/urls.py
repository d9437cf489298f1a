"""Version 1 of the API."""

from django.urls import path, re_path
from django.views.decorators.cache import never_cache

from detection.api import views

urlpatterns = [
    path("detections", never_cache(views.DetectionCollection.as_view()), name="api_detections"),
    path(
        "detections/<uuid:pk>",
        never_cache(views.DetectionResource.as_view()),
        name="api_detection",
    ),
    path(
        "detections/<uuid:pk>/heatmap",
        views.DetectionHeatmap.as_view(),
        name="api_detection_heatmap",
    ),
    re_path("", views.Nowhere.as_view()),
]
