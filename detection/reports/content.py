"""What a report says: facts for machines, and the same in sentences of one language.

The sentences are made when the report is issued and signed with it, so that PDF, JSON and the
shared page say the same for ever, whatever later versions of this desk would say.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from accounts.models import User
from client.report_file import FORMAT
from detection.file_marks import file_marks
from detection.models import Detection, Submission
from detection.presentation import verdict_card
from detection.reports.copies import copies_that_disagree
from detection.reports.custody import custody_of
from detection.reports.findings import copies_facts
from detection.reports.order import Order
from detection.reports.pictures import Picture, layer_pictures_of, pictures_of
from detection.reports.review import review_facts
from detection.reports.sections import Known, sections_of
from detection.services.file_reading import current_facts
from detection.services.reviewed import review_of
from detection.stated_reasons import stated_reasons


@dataclass(frozen=True)
class Content:
    """A report before it is drawn and signed; `json` is all of it but the pictures' bytes.

    Attributes:
        layers: pictures of layers of evidence, which stand in a section of their own.
        reviewed_at: when the review that it tells of was decided; None where it tells of none.
    """

    json: dict[str, Any]
    pictures: list[Picture]
    layers: list[Picture]
    reviewed_at: datetime | None = None

    @property
    def every_picture(self) -> list[Picture]:
        return [*self.pictures, *self.layers]


def content_of(detection: Detection, order: Order) -> Content:
    """Say what is known about a detection, in the language of the order."""
    with override(order.language):
        pictures = pictures_of(detection) if order.has_pictures else []
        layers = layer_pictures_of(detection) if pictures else []
        current_facts(detection.image)
        known = Known(
            verdict_card(detection),
            custody_of(detection.image),
            _file_name(detection, order.by),
            copies_that_disagree(detection, order.by),
            layers,
            review_of(detection.image_id),
        )
        body = {
            "facts": _facts(detection, order, known),
            "format": FORMAT,
            "pictures": [
                {"caption": one.caption, "name": one.name, "sha256": one.sha256}
                for one in [*pictures, *layers]
            ],
            "text": {
                "language": get_language(),
                "sections": sections_of(detection, order, known),
                "title": _("Report on an image"),
                "tone": known.card.tone,
            },
        }
    return Content(body, pictures, layers, known.review.decided_at if known.review else None)


def _file_name(detection: Detection, by: User) -> str:
    """As the latest request calls the file that the person who issues the report may see."""
    rows = Submission.objects.filter(detection=detection).order_by("-created_at")
    if not by.is_reviewer:
        rows = rows.filter(by=by)
    return rows.values_list("file_name", flat=True).first() or ""


def _facts(detection: Detection, order: Order, known: Known) -> dict[str, Any]:
    image, version = detection.image, detection.model_version
    return {
        "copies": copies_facts(known.copies),
        "custody": {"events": known.custody.facts, "left_out": known.custody.left_out},
        "desk": settings.UNMASK_ORIGIN,
        "detection": str(detection.pk),
        "faces": [{n: face.get(n) for n in ("box", "probability")} for face in detection.faces],
        "file": {
            "bytes": image.size_bytes,
            "format": image.format,
            "height": image.height,
            "marks": [vars(mark) for mark in file_marks(image.facts)],
            "name": known.name,
            "received_at": image.created_at.isoformat(),
            "sha256": image.sha256,
            "width": image.width,
        },
        "issued_at": order.at.isoformat(),
        "issued_by": str(order.by) if order.is_named else None,
        "issued_for": order.recipient or None,
        "judged_at": detection.completed_at.isoformat() if detection.completed_at else None,
        "key": order.key_id,
        "model": {
            "artifact_sha256": version.artifact_sha256,
            "name": version.name,
            "operating_point": version.operating_point,
            "version": version.version,
        },
        "probability": detection.probability,
        "reasons": stated_reasons(detection),
        "report": str(order.id),
        "review": review_facts(known.review),
        "stability": detection.transforms,
        "verdict": detection.verdict,
    }
