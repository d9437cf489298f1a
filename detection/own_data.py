"""A person's images, submissions and verdicts, for the download of their own data."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from accounts.models import User
from accounts.own_data import Original, Part, Rows, register_part
from detection import storage
from detection.models import (
    Case,
    CaseNote,
    Decision,
    Detection,
    EvidenceLayer,
    Feedback,
    Image,
    LabelledImage,
    Notice,
    Region,
    Report,
    ResumableUpload,
    SavedFilter,
    Submission,
    WebhookEndpoint,
)

# Beyond this the ZIP holds no further originals; images.json says which are in it.
MAX_ORIGINALS_BYTES = 500 * 1024 * 1024


def register() -> None:
    """Tell the download."""
    register_part("images", Part(_image_rows, _originals))
    register_part("cases", Part(_case_rows))
    register_part("case_notes", Part(_note_rows))
    register_part("saved_filters", Part(_filter_rows))
    register_part("feedback", Part(_feedback_rows))
    register_part("decisions", Part(_decision_rows))
    register_part("notices", Part(_notice_rows))
    register_part("reports", Part(_report_rows))
    register_part("labels", Part(_label_rows))
    register_part("regions", Part(_region_rows))
    register_part("submissions", Part(_submission_rows))
    register_part("unfinished_uploads", Part(_unfinished_rows))
    register_part("webhooks", Part(_webhook_rows))


def _images(person: User) -> Iterator[tuple[Image, str]]:
    """The person's images, oldest first, each with its original's name in the ZIP, or none."""
    room = MAX_ORIGINALS_BYTES
    for image in Image.objects.filter(owner=person).order_by("created_at", "pk").iterator():
        fits = image.size_bytes <= room and storage.exists(storage.original_path(image.pk))
        room -= image.size_bytes if fits else 0
        name = f"originals/{image.sha256[:16]}.{image.format.lower()}"
        yield image, name if fits else ""


def _originals(person: User) -> Iterator[Original]:
    for image, name in _images(person):
        if name:
            local = partial(storage.local, storage.original_path(image.pk))
            yield Original(name, local, image, image.sha256)


def _image_rows(person: User) -> Rows:
    names = ("sha256", "size_bytes", "format", "width", "height", "is_confidential", "facts")
    for image, original in _images(person):
        yield {
            "id": str(image.pk),
            **{name: getattr(image, name) for name in names},
            "created_at": image.created_at.isoformat(),
            "training_consent_at": image.training_consent_at.isoformat()
            if image.training_consent_at
            else "",
            "original": original,
            "tags": list(image.image_tags.order_by("tag__key").values_list("tag__key", flat=True)),
            "detections": [_detection(row) for row in _detections(image)],
            "evidence": [_layer(row) for row in image.evidence_layers.order_by("created_at")],
        }


def _detections(image: Image) -> Iterator[Detection]:
    return image.detections.select_related("model_version").order_by("created_at").iterator()


def _detection(row: Detection) -> dict[str, Any]:
    version = row.model_version
    return {
        "id": str(row.pk),
        "model": f"{version.name} {version.version}",
        "model_sha256": version.artifact_sha256,
        "status": row.status,
        "verdict": row.verdict,
        "probability": row.probability,
        "reasons": row.reasons,
        "completed_at": row.completed_at.isoformat() if row.completed_at else "",
    }


def _layer(row: EvidenceLayer) -> dict[str, Any]:
    """Without the picture, which is drawn from the original that is in the ZIP."""
    names = ("kind", "version", "status", "figures")
    asked = {"asked_at": row.created_at.isoformat()}
    return {**{name: getattr(row, name) for name in names}, **asked}


def _label_rows(person: User) -> Rows:
    """What is or was learnt from the person's own images."""
    rows = LabelledImage.objects.filter(image__owner=person).order_by("created_at")
    for row in rows.iterator():
        yield {
            "image": str(row.image_id),
            "label": "fake" if row.is_fake else "real",
            "split": row.split,
            "created_at": row.created_at.isoformat(),
            "removed_at": row.removed_at.isoformat() if row.removed_at else "",
        }


def _submission_rows(person: User) -> Rows:
    names = ("file_name", "source_url", "metadata", "callback_url", "via", "priority")
    for row in Submission.objects.filter(by=person).order_by("created_at").iterator():
        yield {
            "id": str(row.pk),
            "image": str(row.image_id),
            "detection": str(row.detection_id),
            **{name: getattr(row, name) for name in names},
            "created_at": row.created_at.isoformat(),
        }


def _report_rows(person: User) -> Rows:
    """Reports that the person issued, with the links they made; the tokens are kept nowhere."""
    names = ("language", "recipient", "is_named", "pdf_sha256", "json_sha256")
    for row in Report.objects.filter(by=person).order_by("created_at").iterator():
        links = row.links.filter(by=person).order_by("created_at")
        yield {
            "id": str(row.pk),
            "detection": str(row.detection_id),
            **{name: getattr(row, name) for name in names},
            "created_at": row.created_at.isoformat(),
            "revoked_at": row.revoked_at.isoformat() if row.revoked_at else "",
            "links": [
                {"id": str(link.pk), "expires_at": link.expires_at.isoformat()} for link in links
            ],
        }


def _region_rows(person: User) -> Rows:
    """Parts of images that the person had judged; of images that were erased there are none."""
    rows = Region.objects.filter(by=person).order_by("created_at")
    for row in rows.iterator():
        yield {
            "id": str(row.pk),
            "detection": str(row.detection_id),
            "box_px": row.box_px,
            "status": row.status,
            "verdict": row.verdict,
            "probability": row.probability,
            "reasons": row.reasons,
            "created_at": row.created_at.isoformat(),
        }


def _unfinished_rows(person: User) -> Rows:
    for row in ResumableUpload.objects.open().filter(owner=person).order_by("created_at"):
        yield {
            "id": str(row.pk),
            "file_name": row.file_name,
            "size_bytes": row.size_bytes,
            **row.fields,
            "created_at": row.created_at.isoformat(),
            "expires_at": row.expires_at.isoformat(),
        }


def _webhook_rows(person: User) -> Rows:
    """Endpoints without their secrets; what was told to them says no more than images.json."""
    names = ("url", "description", "events", "is_for_callbacks", "disabled_because")
    rows = WebhookEndpoint.objects.filter(owner=person, deleted_at=None).order_by("created_at")
    for row in rows.iterator():
        yield {
            "id": str(row.pk),
            **{name: getattr(row, name) for name in names},
            "created_at": row.created_at.isoformat(),
        }


def _feedback_rows(person: User) -> Rows:
    rows = Feedback.objects.filter(by=person).order_by("created_at")
    for row in rows.iterator():
        yield {
            "id": str(row.pk),
            "detection": str(row.detection_id),
            "label": row.label,
            "category": row.category,
            "comment": row.comment,
            "created_at": row.created_at.isoformat(),
            "withdrawn_at": row.withdrawn_at.isoformat() if row.withdrawn_at else "",
        }


def _decision_rows(person: User) -> Rows:
    """What a reviewer decided."""
    rows = Decision.objects.filter(by=person).select_related("item").order_by("created_at")
    for row in rows.iterator():
        yield {
            "id": str(row.pk),
            "detection": str(row.item.detection_id),
            "outcome": row.outcome,
            "reason": row.reason,
            "note": row.note,
            "created_at": row.created_at.isoformat(),
            "undone_at": row.undone_at.isoformat() if row.undone_at else "",
        }


def _notice_rows(person: User) -> Rows:
    """What the person was told, of images and cases they may still see."""
    for row in Notice.objects.visible_to(person).order_by("created_at").iterator():
        yield {
            "id": str(row.pk),
            "kind": row.kind,
            "detection": str(row.detection_id or ""),
            "case": str(row.case_id or ""),
            "about": row.about,
            "created_at": row.created_at.isoformat(),
            "seen_at": row.seen_at.isoformat() if row.seen_at else "",
            "mailed_at": row.mailed_at.isoformat() if row.mailed_at else "",
        }


def _case_rows(person: User) -> Rows:
    """One's own cases, and of those one was added to no more than that one belongs to them."""
    for case in Case.objects.filter(owner=person).order_by("created_at").prefetch_related("tags"):
        yield {
            "id": str(case.pk),
            "role": "owner",
            "title": case.title,
            "description": case.description,
            "tags": [tag.name for tag in case.tags.all()],
            "created_at": case.created_at.isoformat(),
            "closed_at": case.closed_at.isoformat() if case.closed_at else "",
            "images": [str(pk) for pk in case.entries.values_list("image", flat=True)],
        }
    for member in person.case_memberships.order_by("created_at"):
        yield {
            "id": str(member.case_id),
            "role": member.role,
            "since": member.created_at.isoformat(),
        }


def _note_rows(person: User) -> Rows:
    notes = CaseNote.objects.filter(author=person).order_by("created_at")
    for note in notes.prefetch_related("versions"):
        yield {
            "id": str(note.pk),
            "case": str(note.case_id),
            "created_at": note.created_at.isoformat(),
            "removed_at": note.removed_at.isoformat() if note.removed_at else "",
            "versions": [
                {"number": one.number, "text": one.text, "at": one.created_at.isoformat()}
                for one in note.versions.all()
            ],
        }


def _filter_rows(person: User) -> Rows:
    for row in SavedFilter.objects.filter(owner=person):
        yield {"name": row.name, "query": row.query, "created_at": row.created_at.isoformat()}
