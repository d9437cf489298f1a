"""Which objects share one life in the audit trail: an image and what was asked and said of it."""

import re
from collections.abc import Iterator

from django.core.exceptions import ValidationError
from django.db import models

from accounts.models import AuditEvent
from accounts.trail import Target, register_relatives
from detection.models import (
    Case,
    Detection,
    Feedback,
    GoldenImage,
    Image,
    Report,
    ReportLink,
    ReviewItem,
    Submission,
)

# In the change of an event of a part; nothing else there is called so.
_DETECTION = re.compile(r'"detection":"([0-9a-f-]{36})"')


def register() -> None:
    """Tell the audit trail."""
    register_relatives("image", _of_image)
    register_relatives("detection", lambda pk: _of(Detection, pk))
    register_relatives("submission", lambda pk: _of(Submission, pk))
    register_relatives("feedback", lambda pk: _of(Feedback, pk, "detection__image_id"))
    register_relatives("reviewitem", lambda pk: _of(ReviewItem, pk, "detection__image_id"))
    register_relatives("goldenimage", lambda pk: _of(GoldenImage, pk))
    register_relatives("case", _of_case)
    register_relatives("report", lambda pk: _of(Report, pk, "detection__image_id"))
    register_relatives("reportlink", lambda pk: _of(ReportLink, pk, "report__detection__image_id"))
    register_relatives("region", _of_region)


def _of(model: type[models.Model], pk: str, image: str = "image_id") -> Iterator[Target]:
    rows = model._default_manager.values_list(image, flat=True)
    try:
        image_id = rows.filter(pk=pk).first()
    except ValidationError:  # no UUID
        return
    if image_id is not None:
        yield from _of_image(str(image_id))


def _of_case(pk: str) -> Iterator[Target]:
    """A case and what was submitted into it; its images have lives of their own."""
    try:
        if not Case.objects.filter(pk=pk).exists():
            return
    except ValidationError:
        return
    ids = Submission.objects.filter(case__pk=pk).values_list("pk", flat=True)
    yield "case", pk
    yield from (("submission", str(one)) for one in ids)


def _of_region(pk: str) -> Iterator[Target]:
    """The life of the image it is a part of; its row may be gone, its events name the detection."""
    change = AuditEvent.objects.filter(target_type="region", target_id=pk).values_list("change")
    if known := change.first():
        yield from _of(Detection, _detection_in(known[0]))


def _regions(image: Image, detections: set[str]) -> set[str]:
    """Parts that events tell of: rows of parts go when their image is erased."""
    told = AuditEvent.objects.filter(target_type="image", target_id=str(image.pk))
    hashes = {image.sha256, *told.values_list("target_sha256", flat=True)} - {""}
    of_bytes = AuditEvent.objects.filter(target_type="region", target_sha256__in=hashes)
    events = of_bytes.values_list("target_id", "change")
    return {pk for pk, change in events if _detection_in(change) in detections}


def _detection_in(change: str) -> str:
    found = _DETECTION.search(change)
    return found[1] if found else ""


def _of_image(pk: str) -> Iterator[Target]:
    try:
        image = Image.objects.filter(pk=pk).first()
    except ValidationError:
        return
    if image is None:
        return
    yield "image", pk
    for target_type, model in (("detection", Detection), ("submission", Submission)):
        ids = model.objects.filter(image_id=pk).values_list("pk", flat=True)
        yield from ((target_type, str(one)) for one in ids)
    judged = Detection.objects.filter(image=image).values_list("pk", flat=True)
    yield from (("region", one) for one in _regions(image, {str(row) for row in judged}))
    claims = Feedback.objects.filter(detection__image_id=pk).values_list("pk", flat=True)
    yield from (("feedback", str(one)) for one in claims)
    reviews = ReviewItem.objects.filter(detection__image_id=pk).values_list("pk", flat=True)
    yield from (("reviewitem", str(one)) for one in reviews)
    known = GoldenImage.objects.filter(image=image).values_list("pk", flat=True)
    yield from (("goldenimage", str(one)) for one in known)
    issued = Report.objects.filter(detection__image_id=pk)
    yield from (("report", str(one)) for one in issued.values_list("pk", flat=True))
    links = ReportLink.objects.filter(report__in=issued)
    yield from (("reportlink", str(one)) for one in links.values_list("pk", flat=True))
