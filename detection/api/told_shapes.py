"""Shapes of consent and notices, for the OpenAPI document."""

from detection.api.shapes import (
    MOMENT,
    MOMENT_OR_NULL,
    UUID,
    Shape,
    a,
    an_object,
    each,
    ref,
)
from detection.models import Decision, Detection, Notice, Outcome

CONSENT_REQUEST: Shape = {
    "type": "object",
    "properties": {"allowed": a("boolean")},
    "required": ["allowed"],
    "additionalProperties": False,
}
ABOUT: Shape = {
    "type": "object",
    "description": "Of a decision `outcome`, `reasons`, `decided_at`; where a newer model judged "
    "otherwise `before`, `verdict`, `before_detection`. More members may come.",
    "properties": {
        "outcome": a("string", enum=Outcome.values),
        "reasons": each(a("string", enum=Decision.Reason.values)),
        "decided_at": MOMENT,
        "before": a("string", enum=Detection.Verdict.values),
        "verdict": a("string", enum=Detection.Verdict.values),
        "before_detection": UUID,
    },
}
# What happens in cases is told on the page alone, for which a key may have no scope.
ABOUT_IMAGES = [kind for kind in Notice.Kind.values if kind != Notice.Kind.CASE_SHARED]
SCHEMAS: dict[str, Shape] = {
    "OwnFeedback": an_object({"claim": {"oneOf": [ref("Feedback"), {"type": "null"}]}}),
    "Consent": an_object(
        {"allowed": a("boolean"), "since": MOMENT_OR_NULL},
        "Whether an image may be learnt from once a reviewer has decided what it is.",
    ),
    "Notice": an_object(
        {
            "id": UUID,
            "kind": a("string", enum=ABOUT_IMAGES),
            "detection": UUID,
            "about": ABOUT,
            "created_at": MOMENT,
            "seen_at": MOMENT_OR_NULL,
            "links": an_object({"detection": a("string", format="uri")}),
        },
        "One thing you are told.",
    ),
    "NoticePage": an_object(
        {
            "results": each(ref("Notice")),
            "next": a("string?", "The cursor of the next page; null on the last."),
        }
    ),
}
