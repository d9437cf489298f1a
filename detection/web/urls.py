"""Pages about images and their verdicts."""

from django.urls import path

from detection.web import images, pages

urlpatterns = [
    path("", pages.verify, name="verify"),
    path("samples/<slug:name>", pages.submit_sample, name="submit_sample"),
    path("history", pages.history, name="history"),
    path("detections/<uuid:pk>", pages.detection, name="detection"),
    path("detections/<uuid:pk>/card", pages.detection_card, name="detection_card"),
    path("detections/<uuid:pk>/retry", pages.retry, name="detection_retry"),
    path("detections/<uuid:pk>/heatmap", images.heatmap, name="detection_heatmap"),
    path("images/<uuid:pk>/preview/<int:side>", images.preview, name="image_preview"),
    path("images/<uuid:pk>/original", images.original, name="image_original"),
    path("responsible-use", pages.responsible_use, name="responsible_use"),
]
