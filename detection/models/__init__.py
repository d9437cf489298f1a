from detection.models.batch import Batch
from detection.models.candidate import (
    Activation,
    ComparedImage,
    Comparison,
    ShadowJudgement,
)
from detection.models.case import Case, CaseImage, CaseMember, CaseNote, CaseNoteVersion, CaseTag
from detection.models.dataset import Dataset, DatasetImport, ImportedFile, LabelledImage, Snapshot
from detection.models.detection import Detection
from detection.models.evidence_layer import EvidenceLayer
from detection.models.history import HistoryRow
from detection.models.idempotency import IdempotencyKey
from detection.models.image import Image
from detection.models.installation import Installation
from detection.models.monitoring import DriftAlert, PeriodFigures, WorkerSign
from detection.models.notice import Notice
from detection.models.region import Region
from detection.models.registry import ModelVersion
from detection.models.rejudging import Rejudging
from detection.models.report import Report, ReportKey, ReportLink, ReportLinkView
from detection.models.resumable_upload import ResumableUpload
from detection.models.review import Feedback
from detection.models.review_item import (
    Decision,
    GoldenImage,
    Outcome,
    PassedOn,
    ReviewItem,
    ReviewRules,
)
from detection.models.saved_filter import SavedFilter
from detection.models.submission import Submission
from detection.models.tag import ImageTag, Tag
from detection.models.training import TrainingRun, TrainingSchedule
from detection.models.turns import LastTurn
from detection.models.webhook import WebhookDelivery, WebhookEndpoint

__all__ = [
    "Activation",
    "Batch",
    "Case",
    "CaseImage",
    "CaseMember",
    "CaseNote",
    "CaseNoteVersion",
    "CaseTag",
    "ComparedImage",
    "Comparison",
    "Dataset",
    "DatasetImport",
    "Decision",
    "Detection",
    "DriftAlert",
    "EvidenceLayer",
    "Feedback",
    "GoldenImage",
    "HistoryRow",
    "IdempotencyKey",
    "Image",
    "ImageTag",
    "ImportedFile",
    "Installation",
    "LabelledImage",
    "LastTurn",
    "ModelVersion",
    "Notice",
    "Outcome",
    "PassedOn",
    "PeriodFigures",
    "Region",
    "Rejudging",
    "Report",
    "ReportKey",
    "ReportLink",
    "ReportLinkView",
    "ResumableUpload",
    "ReviewItem",
    "ReviewRules",
    "SavedFilter",
    "ShadowJudgement",
    "Snapshot",
    "Submission",
    "Tag",
    "TrainingRun",
    "TrainingSchedule",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WorkerSign",
]
