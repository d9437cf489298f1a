from detection.models.case import Case, CaseNote
from detection.models.detection import Detection
from detection.models.idempotency import IdempotencyKey
from detection.models.image import Image
from detection.models.installation import Installation
from detection.models.registry import ModelVersion
from detection.models.submission import Submission

__all__ = [
    "Case",
    "CaseNote",
    "Detection",
    "IdempotencyKey",
    "Image",
    "Installation",
    "ModelVersion",
    "Submission",
]
