"""Version 1 of the API."""

from django.urls import path, re_path
from django.views.decorators.cache import never_cache

from detection.api import base, detections, webhooks

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
    path("webhooks", never_cache(webhooks.WebhookCollection.as_view()), name="api_webhooks"),
    path("webhooks/<uuid:pk>", webhooks.WebhookResource.as_view(), name="api_webhook"),
    path(
        "webhooks/<uuid:pk>/rotate",
        never_cache(webhooks.WebhookRotation.as_view()),
        name="api_webhook_rotate",
    ),
    path(
        "webhooks/<uuid:pk>/deliveries",
        webhooks.WebhookDeliveries.as_view(),
        name="api_webhook_deliveries",
    ),
    path(
        "webhooks/callbacks/rotate",
        never_cache(webhooks.CallbackRotation.as_view()),
        name="api_callbacks_rotate",
    ),
    path(
        "webhooks/callbacks/deliveries",
        webhooks.CallbackDeliveries.as_view(),
        name="api_callback_deliveries",
    ),
    path(
        "webhooks/deliveries/<uuid:pk>/resend",
        webhooks.DeliveryResending.as_view(),
        name="api_delivery_resend",
    ),
    re_path("", base.Nowhere.as_view()),
]
