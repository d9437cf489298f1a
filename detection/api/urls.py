"""Version 1 of the API."""

from django.urls import path

from detection.api import views

urlpatterns = [
    path("detections", views.DetectionCollection.as_view(), name="api_detections"),
    path("detections/<uuid:pk>", views.DetectionResource.as_view(), name="api_detection"),
]
