from detection.models.batch import Batch
from detection.models.case import Case, CaseNote
from detection.models.detection import Detection
from detection.models.idempotency import IdempotencyKey
from detection.models.image import Image
from detection.models.installation import Installation
from detection.models.registry import ModelVersion
from detection.models.report import Report, ReportKey, ReportLink, ReportLinkView
from detection.models.resumable_upload import ResumableUpload
from detection.models.review import Feedback
from detection.models.submission import Submission
from detection.models.webhook import WebhookDelivery, WebhookEndpoint

__all__ = [
    "Batch",
    "Case",
    "CaseNote",
    "Detection",
    "Feedback",
    "IdempotencyKey",
    "Image",
    "Installation",
    "ModelVersion",
    "Report",
    "ReportKey",
    "ReportLink",
    "ReportLinkView",
    "ResumableUpload",
    "Submission",
    "WebhookDelivery",
    "WebhookEndpoint",
]
