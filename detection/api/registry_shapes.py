"""The shapes of what the API says of comparing, promoting and judging again, as JSON Schema."""

from detection.api.shapes import (
    ADDRESS,
    ANYTHING,
    MOMENT,
    MOMENT_OR_NULL,
    NO_NUL,
    SHA256,
    UUID,
    Shape,
    a,
    an_object,
    each,
    or_null,
    ref,
)
from detection.models import Activation, Comparison, Detection, Rejudging

MODEL_REFERENCE = an_object(
    {"id": UUID, "name": a("string"), "version": a("string"), "artifact_sha256": SHA256}
)
GATE = {
    "enum": ["open", "shut", "never", None],
    "description": "shut: may be overruled by whoever promotes; never: by nobody. Null until done.",
}
COMPARISON_HEAD = {
    "id": UUID,
    "status": a("string", enum=Comparison.Status.values),
    "candidate": MODEL_REFERENCE,
    "against": MODEL_REFERENCE,
    "snapshot": {**UUID, "description": "Of the frozen images, whose test split is judged."},
    "done": a("integer", "Images judged by both."),
    "total": a("integer"),
    "gate": GATE,
    "failure": or_null(an_object({"code": a("string"), "detail": a("string")})),
    "created_at": MOMENT,
    "completed_at": MOMENT_OR_NULL,
    "links": an_object({"comparison": ADDRESS, "page": ADDRESS}),
}
COMPARISON = {
    **COMPARISON_HEAD,
    "obstacles": each(
        an_object(
            {
                "code": a("string"),
                "detail": a("string"),
                "figures": {**ANYTHING, "description": "What the sentence is made from."},
            }
        ),
        "What stands against the candidate; empty where nothing does.",
    ),
    "figures": {
        **ANYTHING,
        "description": "Of both, by source and by damage, each difference with its 95 % interval.",
    },
    "changed": each(
        an_object(
            {
                "detection": UUID,
                "before": a("string", enum=Detection.Verdict.values),
                "after": a("string", enum=Detection.Verdict.values),
            }
        ),
        "Of the latest 1,000 detections, those that it would judge otherwise and you may see.",
    ),
    "changed_hidden": a("integer", "How many more there are about images you may not see."),
}
ACTIVATION = an_object(
    {
        "id": UUID,
        "kind": a("string", enum=Activation.Kind.values),
        "model": MODEL_REFERENCE,
        "previous": or_null(MODEL_REFERENCE),
        "reason": a("string"),
        "created_at": MOMENT,
    },
    "A change of the model that judges.",
)
REJUDGING = an_object(
    {
        "id": UUID,
        "status": a("string", enum=Rejudging.Status.values),
        "ended": {
            "enum": [*(value for value in Rejudging.Ended.values if value), None],
            "description": "Why it ended early; null otherwise.",
        },
        "model": MODEL_REFERENCE,
        "since": MOMENT_OR_NULL,
        "total": a("integer", "Images that were to be judged again, 10,000 at most."),
        "done": a("integer", "Handed over so far, whenever nothing else waits."),
        "judged": a("integer"),
        "differ": a("integer", "With another verdict than before."),
        "created_at": MOMENT,
        "completed_at": MOMENT_OR_NULL,
    },
    "An order to judge older images again.",
)
SCHEMAS: dict[str, Shape] = {
    "Comparison": an_object(COMPARISON),
    "ComparisonList": an_object({"results": each(an_object(COMPARISON_HEAD))}),
    "Activation": ACTIVATION,
    "ActivationList": an_object({"results": each(ref("Activation"))}),
    "Rejudging": REJUDGING,
}

REASON = a("string", "Kept with the change.", minLength=1, maxLength=500, pattern=NO_NUL)
NEW_COMPARISON = {
    "type": "object",
    "properties": {"snapshot": UUID},
    "required": ["snapshot"],
    "additionalProperties": False,
}
PROMOTION = {
    "type": "object",
    "properties": {
        "comparison": UUID,
        "reason": REASON,
        "overrule": a("boolean", "You know what the gate found, and take it upon yourself."),
    },
    "required": ["comparison", "reason"],
    "additionalProperties": False,
}
ROLL_BACK = {
    "type": "object",
    "properties": {"reason": REASON},
    "required": ["reason"],
    "additionalProperties": False,
}
NEW_REJUDGING = {
    "type": "object",
    "properties": {"since": a("string", "Only what came then or later.", format="date-time")},
    "additionalProperties": False,
}
