"""Pages about images and their verdicts."""

from django.urls import path

from detection.web import custody_pages, images, pages

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
    path("images/<uuid:pk>/erase", custody_pages.erase, name="image_erase"),
    path("images/<uuid:pk>/hold", custody_pages.hold, name="image_hold"),
    path("images/<uuid:pk>/confidential", custody_pages.confidential, name="image_confidential"),
    path("responsible-use", pages.responsible_use, name="responsible_use"),
]
