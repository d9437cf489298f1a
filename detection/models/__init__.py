from detection.models.batch import Batch
from detection.models.case import Case, CaseImage, CaseMember, CaseNote, CaseNoteVersion, CaseTag
from detection.models.detection import Detection
from detection.models.evidence_layer import EvidenceLayer
from detection.models.history import HistoryRow
from detection.models.idempotency import IdempotencyKey
from detection.models.image import Image
from detection.models.installation import Installation
from detection.models.region import Region
from detection.models.registry import ModelVersion
from detection.models.report import Report, ReportKey, ReportLink, ReportLinkView
from detection.models.resumable_upload import ResumableUpload
from detection.models.review import Feedback
from detection.models.saved_filter import SavedFilter
from detection.models.submission import Submission
from detection.models.tag import ImageTag, Tag
from detection.models.webhook import WebhookDelivery, WebhookEndpoint

__all__ = [
    "Batch",
    "Case",
    "CaseImage",
    "CaseMember",
    "CaseNote",
    "CaseNoteVersion",
    "CaseTag",
    "Detection",
    "EvidenceLayer",
    "Feedback",
    "HistoryRow",
    "IdempotencyKey",
    "Image",
    "ImageTag",
    "Installation",
    "ModelVersion",
    "Region",
    "Report",
    "ReportKey",
    "ReportLink",
    "ReportLinkView",
    "ResumableUpload",
    "SavedFilter",
    "Submission",
    "Tag",
    "WebhookDelivery",
    "WebhookEndpoint",
]
