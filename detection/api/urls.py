"""Version 1 of the API."""

from django.urls import path, re_path
from django.views.decorators.cache import never_cache

from detection.api import (
    base,
    batches,
    cases,
    detections,
    evidence,
    feedback,
    models,
    regions,
    reports,
    reviews,
    similar,
    told,
    uploads,
    webhooks,
)

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
        "detections/<uuid:pk>/reports",
        never_cache(reports.ReportCollection.as_view()),
        name="api_reports",
    ),
    path("reports/keys", reports.ReportKeys.as_view(), name="api_report_keys"),
    path("reports/<uuid:pk>", never_cache(reports.ReportResource.as_view()), name="api_report"),
    path("reports/<uuid:pk>/pdf", never_cache(reports.ReportPdf.as_view()), name="api_report_pdf"),
    path(
        "reports/<uuid:pk>/json", never_cache(reports.ReportJson.as_view()), name="api_report_json"
    ),
    path(
        "reports/<uuid:pk>/revoke",
        never_cache(reports.ReportRevocation.as_view()),
        name="api_report_revoke",
    ),
    path(
        "detections/<uuid:pk>/evidence",
        never_cache(evidence.EvidenceCollection.as_view()),
        name="api_evidence",
    ),
    path(
        "detections/<uuid:pk>/evidence/<slug:kind>",
        evidence.EvidencePicture.as_view(),
        name="api_evidence_picture",
    ),
    path(
        "detections/<uuid:pk>/regions",
        never_cache(regions.RegionCollection.as_view()),
        name="api_regions",
    ),
    path(
        "detections/<uuid:pk>/regions/<uuid:region_pk>",
        never_cache(regions.RegionResource.as_view()),
        name="api_region",
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
        never_cache(feedback.FeedbackCollection.as_view()),
        name="api_feedback",
    ),
    path(
        "detections/<uuid:pk>/training-consent",
        never_cache(told.TrainingConsent.as_view()),
        name="api_training_consent",
    ),
    path("notices", never_cache(told.NoticeCollection.as_view()), name="api_notices"),
    path("notices/seen", never_cache(told.NoticesSeen.as_view()), name="api_notices_seen"),
    path(
        "detections/<uuid:pk>/review",
        never_cache(reviews.DetectionReview.as_view()),
        name="api_detection_review",
    ),
    path("reviews", never_cache(reviews.ReviewCollection.as_view()), name="api_reviews"),
    path("reviews/next", never_cache(reviews.NextReview.as_view()), name="api_next_review"),
    path("reviews/<uuid:pk>", never_cache(reviews.ReviewResource.as_view()), name="api_review"),
    path(
        "reviews/<uuid:pk>/claim",
        never_cache(reviews.ReviewClaim.as_view()),
        name="api_review_claim",
    ),
    path(
        "reviews/<uuid:pk>/release",
        never_cache(reviews.ReviewRelease.as_view()),
        name="api_review_release",
    ),
    path(
        "reviews/<uuid:pk>/skip",
        never_cache(reviews.ReviewSkip.as_view()),
        name="api_review_skip",
    ),
    path(
        "reviews/<uuid:pk>/escalate",
        never_cache(reviews.ReviewEscalation.as_view()),
        name="api_review_escalate",
    ),
    path(
        "reviews/<uuid:pk>/reopen",
        never_cache(reviews.ReviewReopening.as_view()),
        name="api_review_reopen",
    ),
    path(
        "reviews/<uuid:pk>/decisions",
        never_cache(reviews.DecisionCollection.as_view()),
        name="api_review_decisions",
    ),
    path(
        "reviews/<uuid:pk>/decisions/<uuid:decision>/undo",
        never_cache(reviews.DecisionUndoing.as_view()),
        name="api_decision_undo",
    ),
    path("cases", never_cache(cases.CaseCollection.as_view()), name="api_cases"),
    path("cases/<uuid:pk>", never_cache(cases.CaseResource.as_view()), name="api_case"),
    path("cases/<uuid:pk>/images", cases.CaseImages.as_view(), name="api_case_images"),
    path(
        "cases/<uuid:pk>/images/<uuid:detection>",
        cases.CaseImageResource.as_view(),
        name="api_case_image",
    ),
    path(
        "cases/<uuid:pk>/notes",
        never_cache(cases.NoteCollection.as_view()),
        name="api_case_notes",
    ),
    path(
        "cases/<uuid:pk>/notes/<uuid:note>",
        cases.NoteResource.as_view(),
        name="api_case_note",
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
