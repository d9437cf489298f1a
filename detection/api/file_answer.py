"""What a file says about itself, for machines: the `file` of a detection."""

from typing import Any

from detection.file_dates import contradictions, stated_dates
from detection.file_marks import file_marks, stated_fields
from detection.models import Detection


def file_answer(row: Detection) -> dict[str, Any] | None:
    """What is in the stored facts; nothing is read again for an answer."""
    facts = row.image.facts
    if not facts:
        return None
    file, fields = facts.get("file") or {}, stated_fields(facts)
    found = contradictions(stated_dates(fields), row.image.created_at)
    return {
        "marks": [vars(mark) for mark in file_marks(facts)],
        **fields,
        "history": file.get("xmp_history") or [],
        "position": (facts.get("metadata") or {}).get("gps") or None,
        "dates_disagree": any(kind != "in_future" for kind, _, _ in found),
        "thumbnail": _thumbnail(file.get("thumbnail")),
        "jpeg": file.get("jpeg"),
        "icc_name": file.get("icc_name"),
        "trailing": {
            "bytes": facts.get("trailing_bytes", 0),
            "kind": file.get("trailing_kind"),
        },
        "credentials": _credentials(file),
    }


def _thumbnail(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if not found:
        return None
    return {
        "width": found["width"],
        "height": found["height"],
        "differs": found["differs"] or None,
    }


def _credentials(file: dict[str, Any]) -> dict[str, Any]:
    found = file.get("credentials") or {}
    return {
        "state": found.get("state", "unreadable" if file.get("has_credentials") else "none"),
        "failures": found.get("failures") or [],
        "signer": found.get("signer") or None,
        "signed_at": found.get("time") or None,
        "generator": found.get("generator") or None,
        "title": found.get("title") or None,
        "actions": found.get("actions") or [],
        "ingredients": found.get("ingredients") or [],
        "source_types": found.get("source_types") or [],
    }
