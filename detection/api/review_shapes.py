"""The shapes of the review desk, as JSON Schema: what it answers, and what requests bring."""

from detection.api.shapes import (
    ADDRESS,
    MOMENT,
    MOMENT_OR_NULL,
    NO_NUL,
    UUID,
    Shape,
    a,
    an_object,
    each,
    or_null,
    ref,
)
from detection.models import Decision, Feedback, Outcome, ReviewItem
from detection.services.review_record import MAX_NOTE

OUTCOME = a("string", enum=Outcome.values)
OUTCOME_OR_NULL = {"enum": [*Outcome.values, None]}
REASONS = each(a("string", enum=ReviewItem.Reason.values), "Why a person looks at it.")
NOTE = a("string", maxLength=MAX_NOTE, pattern=NO_NUL)

DECISION = an_object(
    {
        "id": UUID,
        "item": UUID,
        "by": a("string"),
        "is_mine": a("boolean"),
        "outcome": OUTCOME,
        "reason": a("string", enum=Decision.Reason.values),
        "note": a("string"),
        "is_blind": a("boolean", "Given without knowing an opinion that came before."),
        "created_at": MOMENT,
    },
    "What one reviewer holds the image to be.",
)
REVIEW = an_object(
    {
        "id": UUID,
        "detection": UUID,
        "status": a("string", enum=ReviewItem.Status.values),
        "reasons": REASONS,
        "urgency": a("integer", "Higher comes first.", minimum=0),
        "is_escalated": a("boolean"),
        "created_at": MOMENT,
        "closed_at": MOMENT_OR_NULL,
        "outcome": {**OUTCOME_OR_NULL, "description": "Null until it is closed."},
        "claim": or_null(
            an_object({"is_mine": a("boolean"), "until": MOMENT}, "Who holds it, while it lasts.")
        ),
        "previous": a("string?", "The closed item that this one opens again.", format="uuid"),
        "claims": each(
            an_object(
                {
                    "label": a("string", enum=Feedback.Label.values),
                    "category": a("string", enum=Feedback.Category.values),
                    "comment": a("string"),
                    "created_at": MOMENT,
                }
            ),
            "What people said of the verdict.",
        ),
        "escalations": each(
            an_object({"is_mine": a("boolean"), "note": a("string"), "created_at": MOMENT})
        ),
        "decisions": each(
            ref("Decision"), "While it is open your own alone: opinions are given blind."
        ),
        "links": an_object({"review": ADDRESS, "detection": ADDRESS}),
    },
    "One detection that a person should look at.",
)
SCHEMAS: dict[str, Shape] = {
    "DetectionReview": an_object(
        {
            "status": a("string", enum=[ReviewItem.Status.OPEN, ReviewItem.Status.CLOSED]),
            "outcome": {
                **OUTCOME_OR_NULL,
                "description": "What reviewers said and what counts at present. The verdict stays.",
            },
            "decided_at": MOMENT_OR_NULL,
            "reasons": REASONS,
        },
        "Null where nobody reviews it. Reviewers are not named.",
    ),
    "Decision": DECISION,
    "Review": REVIEW,
    "ReviewPage": an_object(
        {
            "results": each(ref("Review")),
            "next": a("string?", "The `cursor` of the next page; null on the last one."),
        }
    ),
}
NEW_DECISION = {
    "type": "object",
    "properties": {
        "outcome": OUTCOME,
        "reason": a("string", enum=Decision.Reason.values),
        "note": NOTE,
    },
    "required": ["outcome", "reason"],
    "additionalProperties": False,
}
WITH_NOTE = {"type": "object", "properties": {"note": NOTE}, "additionalProperties": False}
