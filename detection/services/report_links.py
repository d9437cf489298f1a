"""Links that show a report to people without an account, for a time."""

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts import audit
from accounts.models import User
from detection import storage
from detection.errors import Refused
from detection.models import Image, Report, ReportLink, ReportLinkView
from detection.services.reviewed import refuse_to_tell


def may_share(user: User, image: Image) -> bool:
    """Whether this person, who sees the image, may also show reports about it to others."""
    return image.owner_id == user.pk or not image.is_confidential


def share(
    *,
    by: User,
    report: Report,
    life: str,
    shows_pictures: bool = False,
    gives_original: bool = False,
) -> tuple[ReportLink, str]:
    """A link and its token, which is returned this once and kept nowhere.

    Args:
        life: one of `ReportLink.Life`.
        gives_original: whether it leads to the original as well; the owner alone may allow that.
    Raises:
        Refused: the report was revoked or removed, is not this person's to share, or says what
            they are not to be told yet.
    """
    refuse_to_tell(by, report)
    with transaction.atomic():
        image = Image.objects.select_related("owner").held_fast(report.detection.image_id)
        if not may_share(by, image):
            raise Refused("confidential_report")
        row = Report.objects.select_for_update(of=("self",)).get(pk=report.pk)
        if row.revoked_at or row.removed_at:
            raise Refused("report_revoked" if row.revoked_at else "report_removed")
        link, token = ReportLink.made(
            life=life,
            report=report,
            by=by,
            shows_pictures=shows_pictures,
            gives_original=gives_original and image.owner_id == by.pk,
        )
        link.save(force_insert=True)
        _record("report_link.created", link, image, by=by, after=_terms(link))
    return link, token


def revoke_link(*, by: User, link: ReportLink) -> bool:
    """End a link now; False where it was revoked before."""
    now = timezone.now()
    with transaction.atomic():
        if not ReportLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=now):
            return False
        image = link.report.detection.image
        after = {"revoked_at": now.isoformat()}
        _record("report_link.revoked", link, image, by=by, after=after)
    return True


def is_open(link: ReportLink) -> bool:
    """Whether it still shows its report: not ended, and its maker may still see and share that.

    A maker who lost the image (it was erased, made confidential, taken out of the case they shared)
    or the account has no open links.
    """
    if link.has_ended or not link.by.is_active:
        return False
    image = link.report.detection.image
    sees = Image.objects.visible_to(link.by).filter(pk=image.pk).exists()
    return sees and may_share(link.by, image)


def record_view(link: ReportLink, network: str) -> bool:
    """Record that a link was opened; once an hour for a network, the other times False."""
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    digest = salted_hmac("unmask.report_link_view", network).hexdigest()
    with transaction.atomic():
        _view, is_first = ReportLinkView.objects.get_or_create(link=link, network=digest, hour=hour)
        if is_first:
            ReportLinkView.objects.filter(link=link, hour__lt=hour).delete()
            _record("report_link.viewed", link, link.report.detection.image, by=None, after={})
    return is_first


def record_original(link: ReportLink) -> None:
    """Record that the original was fetched through a link; each time."""
    image = link.report.detection.image
    with transaction.atomic():
        audit.record(
            "image.downloaded",
            actor=None,
            target=image,
            owner=image.owner,
            target_sha256=image.sha256,
            after={"link": str(link.pk)},
        )


def has_original(link: ReportLink) -> bool:
    return link.gives_original and storage.exists(
        storage.original_path(link.report.detection.image_id)
    )


def _terms(link: ReportLink) -> dict[str, object]:
    return {
        "expires_at": link.expires_at.isoformat(),
        "gives_original": link.gives_original,
        "report": str(link.report_id),
        "shows_pictures": link.shows_pictures,
    }


def _record(
    action: str, link: ReportLink, image: Image, *, by: User | None, after: Mapping[str, object]
) -> None:
    audit.record(
        action,
        actor=by,
        target=link,
        owner=image.owner,
        target_sha256=image.sha256,
        after=after,
    )
