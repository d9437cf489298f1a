"""Which objects share one life in the audit trail: an image and what was asked and said of it."""

from collections.abc import Iterator

from django.core.exceptions import ValidationError
from django.db import models

from accounts.trail import Target, register_relatives
from detection.models import Detection, Feedback, Image, Report, ReportLink, Submission


def register() -> None:
    """Tell the audit trail."""
    register_relatives("image", _of_image)
    register_relatives("detection", lambda pk: _of(Detection, pk))
    register_relatives("submission", lambda pk: _of(Submission, pk))
    register_relatives("feedback", lambda pk: _of(Feedback, pk, "detection__image_id"))
    register_relatives("report", lambda pk: _of(Report, pk, "detection__image_id"))
    register_relatives("reportlink", lambda pk: _of(ReportLink, pk, "report__detection__image_id"))


def _of(model: type[models.Model], pk: str, image: str = "image_id") -> Iterator[Target]:
    rows = model._default_manager.values_list(image, flat=True)
    try:
        image_id = rows.filter(pk=pk).first()
    except ValidationError:  # no UUID
        return
    if image_id is not None:
        yield from _of_image(str(image_id))


def _of_image(pk: str) -> Iterator[Target]:
    try:
        if not Image.objects.filter(pk=pk).exists():
            return
    except ValidationError:
        return
    yield "image", pk
    for target_type, model in (("detection", Detection), ("submission", Submission)):
        ids = model.objects.filter(image_id=pk).values_list("pk", flat=True)
        yield from ((target_type, str(one)) for one in ids)
    claims = Feedback.objects.filter(detection__image_id=pk).values_list("pk", flat=True)
    yield from (("feedback", str(one)) for one in claims)
    issued = Report.objects.filter(detection__image_id=pk)
    yield from (("report", str(one)) for one in issued.values_list("pk", flat=True))
    links = ReportLink.objects.filter(report__in=issued)
    yield from (("reportlink", str(one)) for one in links.values_list("pk", flat=True))
