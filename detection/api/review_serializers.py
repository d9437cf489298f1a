"""The shapes of items and decisions for machines, and what a reviewer may say."""

from collections.abc import Sequence
from typing import Any

from django.db.models import prefetch_related_objects
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request

from accounts.models import User
from detection.api.base import caller
from detection.api.serializers import NoUnknownFields
from detection.models import Decision, Feedback, Outcome, PassedOn, ReviewItem
from detection.services.review_claims import is_held
from detection.services.review_decisions import blind_to, may_know
from detection.services.review_record import MAX_NOTE


class NoteForm(NoUnknownFields, serializers.Serializer[PassedOn]):
    """A few words, or none."""

    note = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NOTE, default="")


class DecisionForm(NoUnknownFields, serializers.Serializer[Decision]):
    outcome = serializers.ChoiceField(Outcome.choices)
    reason = serializers.ChoiceField(Decision.Reason.choices)
    note = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NOTE, default="")


def shown_items(request: Request, items: Sequence[ReviewItem]) -> list[dict[str, Any]]:
    """Items as their reader may know them."""
    prefetch_related_objects(items, "decisions__by", "passed_on", "detection__feedback")
    blind = blind_to(caller(request), items)
    return [_shown(request, item, is_blind=item.pk in blind) for item in items]


def shown_decision(row: Decision, reader: User) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "item": str(row.item_id),
        "by": row.by.get_full_name(),
        "is_mine": row.by_id == reader.pk,
        "outcome": row.outcome,
        "reason": row.reason,
        "note": row.note,
        "is_blind": row.is_blind,
        "created_at": row.created_at,
    }


def _shown(request: Request, item: ReviewItem, *, is_blind: bool) -> dict[str, Any]:
    reader = caller(request)
    decisions = sorted(item.decisions.all(), key=lambda row: row.created_at)
    if is_blind:
        decisions = [row for row in decisions if row.by_id == reader.pk]
    return {
        "id": str(item.pk),
        "detection": str(item.detection_id),
        "status": item.status,
        "reasons": item.reasons,
        "urgency": item.urgency,
        "is_escalated": item.is_escalated,
        "created_at": item.created_at,
        "closed_at": item.closed_at,
        "outcome": None if is_blind else item.outcome or None,
        "claim": _claim(item, reader),
        "previous": item.previous_id and str(item.previous_id),
        "claims": [
            _claimed(row) for row in item.detection.feedback.all() if row.withdrawn_at is None
        ],
        "escalations": _escalations(item, reader),
        "decisions": [
            shown_decision(row, reader) for row in decisions if may_know(reader, item, row)
        ],
        "links": {
            "review": request.build_absolute_uri(reverse("api_review", args=[item.pk])),
            "detection": request.build_absolute_uri(
                reverse("api_detection", args=[item.detection_id])
            ),
        },
    }


def _claim(item: ReviewItem, reader: User) -> dict[str, Any] | None:
    if not is_held(item):
        return None
    return {"is_mine": item.claimed_by_id == reader.pk, "until": item.claimed_until}


def _claimed(row: Feedback) -> dict[str, Any]:
    return {
        "label": row.label,
        "category": row.category,
        "comment": row.comment,
        "created_at": row.created_at,
    }


def _escalations(item: ReviewItem, reader: User) -> list[dict[str, Any]]:
    rows = [row for row in item.passed_on.all() if row.kind == PassedOn.Kind.ESCALATED]
    rows.sort(key=lambda row: row.created_at)
    return [
        {"is_mine": row.by_id == reader.pk, "note": row.note, "created_at": row.created_at}
        for row in rows
    ]
