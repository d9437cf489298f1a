"""Pages about images and their verdicts."""

from django.urls import path

from detection.web import (
    custody_pages,
    detection_page,
    history_actions,
    history_page,
    images,
    pages,
    webhook_pages,
)

urlpatterns = [
    path("", pages.verify, name="verify"),
    path("samples/<slug:name>", pages.submit_sample, name="submit_sample"),
    path("history", history_page.history, name="history"),
    path("history/change", history_actions.change_many, name="history_change"),
    path("history/export", history_actions.export, name="history_export"),
    path("history/filters", history_actions.keep_filter, name="history_filters"),
    path("history/filters/<uuid:pk>", history_actions.change_filter, name="history_filter"),
    path("detections/<uuid:pk>", detection_page.detection, name="detection"),
    path("detections/<uuid:pk>/card", detection_page.detection_card, name="detection_card"),
    path("detections/<uuid:pk>/retry", detection_page.retry, name="detection_retry"),
    path("detections/<uuid:pk>/heatmap", images.heatmap, name="detection_heatmap"),
    path("images/<uuid:pk>/preview/<int:side>", images.preview, name="image_preview"),
    path("images/<uuid:pk>/original", images.original, name="image_original"),
    path("images/<uuid:pk>/erase", custody_pages.erase, name="image_erase"),
    path("images/<uuid:pk>/hold", custody_pages.hold, name="image_hold"),
    path("images/<uuid:pk>/confidential", custody_pages.confidential, name="image_confidential"),
    path("webhooks", webhook_pages.endpoints, name="webhooks"),
    path("webhooks/callbacks", webhook_pages.callbacks, name="webhook_callbacks"),
    path("webhooks/<uuid:pk>", webhook_pages.endpoint, name="webhook"),
    path("webhooks/<uuid:pk>/rotate", webhook_pages.rotate, name="webhook_rotate"),
    path("webhooks/<uuid:pk>/switch", webhook_pages.switch, name="webhook_switch"),
    path("webhooks/<uuid:pk>/delete", webhook_pages.delete, name="webhook_delete"),
    path("webhooks/<uuid:pk>/resend", webhook_pages.resend_failed, name="webhook_resend"),
    path("deliveries/<uuid:pk>/resend", webhook_pages.resend, name="delivery_resend"),
    path("responsible-use", pages.responsible_use, name="responsible_use"),
]
