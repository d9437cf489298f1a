"""Version 1 of the API."""

from django.urls import path, re_path
from django.views.decorators.cache import never_cache

from detection.api import base, batches, detections, feedback, models, similar, uploads, webhooks

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
    path(
        "detections/<uuid:pk>/similar",
        never_cache(similar.SimilarToDetection.as_view()),
        name="api_detection_similar",
    ),
    path("similar", never_cache(similar.ImageSearch.as_view()), name="api_similar"),
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
