"""Signed reports: issued, downloaded, revoked, forgotten."""

import uuid
from contextlib import suppress

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts import audit
from accounts.models import ApiKey, User
from client import report_file
from deepfake_site.rate_limits import Limit, take
from detection import storage
from detection.errors import Refused, StorageAway
from detection.models import Detection, Image, Report, ReportLink
from detection.reports import keys, pdf
from detection.reports.content import Content, content_of
from detection.reports.order import Order
from detection.reports.texts import left_to_right
from detection.services.reviewed import is_hidden_from, refuse_to_tell
from detection.uploads import DISK_IS_FULL

ISSUED_BY_ONE = Limit(30, 60)
KINDS = {"pdf": "application/pdf", "json": "application/json"}


def issue(
    *,
    by: User,
    detection: Detection,
    language: str,
    recipient: str = "",
    is_named: bool = False,
    has_pictures: bool = True,
    api_key: ApiKey | None = None,
) -> Report:
    """Make a report about a verdict, sign and keep it: files first, then the row.

    Raises:
        Refused: there is no verdict, its image was being erased, there were too many just now, or
            it would say what others decided while one may still decide as well.
    """
    if detection.status != Detection.Status.DONE:
        raise Refused("no_verdict_to_report")
    if is_hidden_from(by, detection.image_id):
        raise Refused("decide_before_reporting")
    if not take("report", str(by.pk), ISSUED_BY_ONE).is_allowed:
        raise Refused("too_many_reports")
    key, key_row = keys.signing_key()
    order = Order(
        id=uuid.uuid4(),
        by=by,
        at=timezone.now(),
        key_id=key_row.pk,
        language=language,
        recipient=recipient,
        is_named=is_named,
        has_pictures=has_pictures,
    )
    content = content_of(detection, order)
    about = _about(detection, order)
    as_json = report_file.sealed_json(content.json, about, key)
    as_pdf = report_file.sealed_pdf(_drawn(content, as_json, order), about, key)
    report = Report(
        pk=order.id,
        detection=detection,
        by=by,
        api_key=api_key,
        key=key_row,
        language=language,
        recipient=recipient,
        is_named=is_named,
        has_pictures=bool(content.pictures),
        reviewed_at=content.reviewed_at,
        pdf_sha256=report_file.check(as_pdf, ()).sha256,
        json_sha256=report_file.check(as_json, ()).sha256,
        created_at=order.at,
    )
    files = {".pdf": as_pdf, ".json": as_json}
    _keep(report, files | {f"-{one.name}.jpg": one.jpeg for one in content.every_picture})
    return report


def record_download(*, by: User, report: Report, kind: str) -> bytes:
    """The bytes of a report for somebody who sees it; that they had it is recorded.

    Raises:
        Refused: its files are gone, or it says what others decided while one may still decide.
    """
    refuse_to_tell(by, report)
    data = file_of(report, f".{kind}")
    with transaction.atomic():
        _record("report.viewed", report, by=by, after={"kind": kind})
    return data


def file_of(report: Report, ending: str) -> bytes:
    """One of a report's files.

    Raises:
        Refused: it is gone.
    """
    try:
        return storage.read(storage.report_path(report.detection.image_id, report.pk, ending))
    except FileNotFoundError:
        raise Refused("report_removed") from None


def revoke(*, by: User, report: Report) -> bool:
    """Say that a report no longer stands, and end its links; False where that was said before."""
    now = timezone.now()
    with transaction.atomic():
        if not Report.objects.filter(pk=report.pk, revoked_at=None).update(revoked_at=now):
            return False
        ReportLink.objects.filter(report=report, revoked_at=None).update(revoked_at=now)
        _record("report.revoked", report, by=by, after={"revoked_at": now.isoformat()})
    return True


def may_revoke(user: User, report: Report) -> bool:
    """Whether this person, who sees the report, may also revoke it."""
    owner_id = report.detection.image.owner_id
    return user.pk in {report.by_id, owner_id} or user.role == User.Role.ADMIN


def forget_image(image: Image) -> None:
    """Empty the reports about an image of text about persons and end their links."""
    rows = Report.objects.filter(detection__image=image)
    now = timezone.now()
    ReportLink.objects.filter(report__in=rows, revoked_at=None).update(revoked_at=now)
    rows.update(recipient="", removed_at=now)


def forget_person(person: User) -> None:
    """End an erased person's links, and remove the reports that name them."""
    now = timezone.now()
    ReportLink.objects.filter(by=person, revoked_at=None).update(revoked_at=now)
    issued = Report.objects.filter(by=person)
    naming = issued.filter(is_named=True, removed_at=None).select_related("detection")
    for report in naming:
        transaction.on_commit(
            lambda row=report: storage.drop_report(row.detection.image_id, row.pk),  # type: ignore[misc]
            robust=True,
        )
    naming.update(removed_at=now)
    issued.update(recipient="")


def _about(detection: Detection, order: Order) -> dict[str, str]:
    return {
        "desk": settings.UNMASK_ORIGIN,
        "detection": str(detection.pk),
        "image_sha256": detection.image.sha256,
        "issued_at": order.at.isoformat(),
        "report": str(order.id),
    }


def _drawn(content: Content, as_json: bytes, order: Order) -> bytes:
    with override(order.language):
        footer = _("Report %(id)s") % {"id": left_to_right(str(order.id))}
    return pdf.drawn(content, as_json, footer=footer)


def _keep(report: Report, files: dict[str, bytes]) -> None:
    image_id = report.detection.image_id
    try:
        _keep_files(report, files)
        with transaction.atomic():
            image = Image.objects.select_related("owner").held_fast(image_id)
            report.save(force_insert=True)
            audit.record(
                "report.issued",
                actor=report.by,
                target=report,
                owner=image.owner,
                target_sha256=image.sha256,
                after={
                    "detection": str(report.detection_id),
                    "json_sha256": report.json_sha256,
                    "key": report.key_id,
                    "language": report.language,
                    "pdf_sha256": report.pdf_sha256,
                },
                detail={"recipient": report.recipient} if report.recipient else None,
            )
    except BaseException:
        with suppress(StorageAway):
            storage.drop_report(image_id, report.pk)
        raise


def _keep_files(report: Report, files: dict[str, bytes]) -> None:
    try:
        storage.keep_report(report.detection.image_id, report.pk, files)
    except OSError as error:
        if error.errno in DISK_IS_FULL:
            raise Refused("disk_full") from error
        raise


def _record(action: str, report: Report, *, by: User | None, after: dict[str, str]) -> None:
    image = report.detection.image
    audit.record(
        action,
        actor=by,
        target=report,
        owner=image.owner,
        target_sha256=image.sha256,
        after=after,
    )
