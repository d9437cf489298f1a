"""The shapes of the API's answers, as JSON Schema: what the OpenAPI document names."""

from typing import Any

from detection.api.serializers import FLAGS
from detection.models import (
    Detection,
    Feedback,
    ModelVersion,
    Submission,
    WebhookDelivery,
    WebhookEndpoint,
)
from detection.services.seen_before import Kind
from detection.words import FAILURES, REASONS

Shape = dict[str, Any]


def ref(name: str) -> Shape:
    return {"$ref": f"#/components/schemas/{name}"}


def a(kind: str, about: str = "", **more: Any) -> Shape:
    """A simple value; a kind like `string?` may also be null."""
    types: str | list[str] = [kind[:-1], "null"] if kind.endswith("?") else kind
    return {"type": types, **({"description": about} if about else {}), **more}


def an_object(properties: dict[str, Shape], about: str = "", **more: Any) -> Shape:
    """An object that has just these members, each of them always."""
    return {
        "type": "object",
        **({"description": about} if about else {}),
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


def each(item: Shape, about: str = "", **more: Any) -> Shape:
    return {"type": "array", "items": item, **({"description": about} if about else {}), **more}


def or_null(shape: Shape) -> Shape:
    return {"oneOf": [shape, {"type": "null"}]}


NO_NUL = "^[^\\u0000]*$"
UUID = a("string", format="uuid")
MOMENT = a("string", format="date-time")
MOMENT_OR_NULL = a("string?", format="date-time")
ADDRESS = a("string", format="uri")
ADDRESS_OR_NULL = a("string?", format="uri")
SHA256 = a("string", pattern="^[0-9a-f]{64}$")
SHARE = a("number", minimum=0, maximum=1)
ANYTHING = {"type": "object", "additionalProperties": True}
METADATA = {**ANYTHING, "description": "As it was sent with your latest submission of the image."}

DETECTION = an_object(
    {
        "id": UUID,
        "status": a("string", enum=Detection.Status.values),
        "created_at": MOMENT,
        "completed_at": MOMENT_OR_NULL,
        "image": an_object(
            {
                "sha256": SHA256,
                "width": a("integer", "As the header says, before the orientation is applied."),
                "height": a("integer"),
                "format": a("string"),
                "bytes": a("integer"),
            }
        ),
        "verdict": {
            "enum": [*Detection.Verdict.values, None],
            "description": "Null until `status` is `done`.",
        },
        "probability": a(
            "number?",
            "Calibrated P(manipulated). Null where nothing could be scored; never a default.",
            minimum=0,
            maximum=1,
        ),
        "reasons": each(
            a("string", examples=sorted(REASONS)), "Why the verdict is not a plainer one."
        ),
        "faces": each(
            an_object(
                {
                    "box": each(
                        a("number"),
                        "Left, top, width, height, as shares of the picture.",
                        minItems=4,
                        maxItems=4,
                    ),
                    "probability": a("number?", "No verdict by itself.", minimum=0, maximum=1),
                }
            )
        ),
        "failure": or_null(
            an_object(
                {"code": a("string", examples=sorted(FAILURES)), "detail": a("string")},
                "Why there is no verdict, where `status` is `failed`.",
            )
        ),
        "model": an_object(
            {"name": a("string"), "version": a("string"), "artifact_sha256": SHA256}
        ),
        "operating_point": {
            **ANYTHING,
            "description": "The thresholds and the rates of error they were chosen for.",
        },
        "links": an_object(
            {"page": ADDRESS, "report": ADDRESS_OR_NULL, "heatmap": ADDRESS_OR_NULL}
        ),
        "metadata": METADATA,
    },
    "One image judged by one version of the model.",
)

PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `detail` is for people.",
    "properties": {
        "type": a("string"),
        "title": a("string"),
        "status": a("integer"),
        "detail": a("string"),
        "code": a("string"),
        "request_id": a("string"),
        "errors": each(
            an_object({"field": a("string"), "code": a("string"), "detail": a("string")}),
            "What is wrong with which field.",
        ),
    },
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "additionalProperties": False,
}

BATCH_LINKS = an_object({"batch": ADDRESS, "detections": ADDRESS})
ENDPOINT = {
    "id": UUID,
    "url": ADDRESS,
    "description": a("string"),
    "events": each(a("string", enum=WebhookEndpoint.Event.values)),
    "enabled": a("boolean"),
    "disabled_because": {"enum": [*WebhookEndpoint.Disabled.values, None]},
    "failing_since": MOMENT_OR_NULL,
    "previous_secret_until": MOMENT_OR_NULL,
    "created_at": MOMENT,
}
SECRET = a("string", "Shown this once.", pattern="^whsec_")
DELIVERY = an_object(
    {
        "id": UUID,
        "webhook_id": a("string", "What the receiver gets as `webhook-id`, at each attempt."),
        "event": a("string", enum=WebhookEndpoint.Event.values),
        "detection": a("string?", format="uuid"),
        "url": ADDRESS,
        "status": a("string", enum=WebhookDelivery.Status.values),
        "attempts": each(
            an_object(
                {
                    "at": MOMENT,
                    "status_code": a("integer?"),
                    "error": a("string?"),
                    "ms": a("integer"),
                }
            ),
            "The last twelve.",
        ),
        "next_attempt_at": MOMENT_OR_NULL,
        "created_at": MOMENT,
        "ended_at": MOMENT_OR_NULL,
        "payload": {"type": ["object", "null"], "additionalProperties": True},
    },
    "One event for one receiver.",
)
SCHEMAS: dict[str, Shape] = {
    "WebhookEndpoint": an_object(ENDPOINT),
    "WebhookEndpointWithSecret": an_object({**ENDPOINT, "secret": SECRET}),
    "WebhookEndpointList": an_object({"results": each(ref("WebhookEndpoint"))}),
    "CallbackSecret": an_object({"previous_secret_until": MOMENT_OR_NULL, "secret": SECRET}),
    "WebhookDelivery": DELIVERY,
    "WebhookDeliveryPage": an_object(
        {
            "results": each(ref("WebhookDelivery")),
            "next": a("string?", "The `cursor` of the next page; null on the last one."),
        }
    ),
    "Detection": DETECTION,
    "DetectionPage": an_object(
        {
            "results": each(ref("Detection")),
            "next": a("string?", "The `cursor` of the next page; null on the last one."),
        }
    ),
    "SimilarImages": an_object(
        {
            "results": each(
                an_object(
                    {
                        "kind": a(
                            "string",
                            "The same bytes; a copy (up to 4 bits); perhaps a copy (up to 8).",
                            enum=[kind.value for kind in Kind],
                        ),
                        "distance": a(
                            "integer",
                            "Bits in which the perceptual hashes differ.",
                            minimum=0,
                            maximum=8,
                        ),
                        "is_mirrored": a("boolean", "Whether its mirrored copy is what is near."),
                        "detection": ref("Detection"),
                    }
                ),
                "The nearest first, 50 at most; of each image the latest detection.",
            ),
            "is_comparable": a(
                "boolean",
                "False where the picture is too uniform: then only equal bytes are found.",
            ),
            "is_complete": a("boolean", "False where there are more."),
        }
    ),
    "BatchAcceptance": an_object(
        {
            "id": UUID,
            "created_at": MOMENT,
            "size": a("integer"),
            "results": each(
                an_object(
                    {
                        "position": a("integer", "That of the file in the request, from 0."),
                        "file_name": a("string"),
                        "status": a("integer", "As if the file had come alone."),
                        "detection": or_null(ref("Detection")),
                        "problem": or_null(ref("Problem")),
                    }
                )
            ),
            "links": BATCH_LINKS,
        }
    ),
    "Batch": an_object(
        {
            "id": UUID,
            "created_at": MOMENT,
            "size": a("integer"),
            "counts": an_object(
                {name: a("integer") for name in (*Detection.Status.values, "refused")},
                "Images by state; `refused` never became a detection.",
            ),
            "links": BATCH_LINKS,
        }
    ),
    "Feedback": an_object(
        {
            "id": UUID,
            "detection": UUID,
            "label": a("string", enum=Feedback.Label.values),
            "category": a("string", enum=Feedback.Category.values),
            "comment": a("string"),
            "created_at": MOMENT,
        },
        "A claim. It changes no verdict, and is no label until a person has reviewed it.",
    ),
    "Model": an_object(
        {
            "name": a("string"),
            "version": a("string"),
            "state": a("string", enum=ModelVersion.State.values),
            "artifact_sha256": SHA256,
            "created_at": MOMENT,
            "activated_at": MOMENT_OR_NULL,
            "operating_point": ANYTHING,
            "metrics": {**ANYTHING, "description": "Measured by source and by degradation."},
            "limits": each(a("string"), "What was measured, in sentences."),
        }
    ),
    "Problem": PROBLEM,
}
SCHEMAS["ModelList"] = an_object({"results": each(ref("Model"))})

# What requests bring. A form's values are text: what must be JSON says so.
FILE = a("string", format="binary", contentMediaType="application/octet-stream")
PRIORITY = a("string", enum=Submission.Priority.values)
SHARED_FIELDS = {
    "priority": PRIORITY,
    "is_confidential": a("string", "Hide the image from moderators.", enum=[*FLAGS]),
    "callback_url": a("string", "Told of the end by a signed webhook.", minLength=1),
}
SUBMISSION = {
    "type": "object",
    "properties": {
        "image": FILE,
        "metadata": a("string", "A JSON object, echoed back.", contentMediaType="application/json"),
        **SHARED_FIELDS,
    },
    "required": ["image"],
    "additionalProperties": False,
}
SEARCH = {
    "type": "object",
    "properties": {"image": FILE},
    "required": ["image"],
    "additionalProperties": False,
}
BATCH = {
    "type": "object",
    "properties": {
        "images": each(FILE, minItems=1, maxItems=100),
        "metadata": a(
            "string",
            "A JSON object for all images, or a list with one for each.",
            contentMediaType="application/json",
        ),
        **SHARED_FIELDS,
    },
    "required": ["images"],
    "additionalProperties": False,
}
FEEDBACK = {
    "type": "object",
    "properties": {
        "label": a("string", enum=Feedback.Label.values),
        "category": a("string", enum=Feedback.Category.values),
        "comment": a("string", maxLength=2000, pattern=NO_NUL),
    },
    "required": ["label", "category"],
    "additionalProperties": False,
}
SUBMISSION_BY_ADDRESS = {
    "type": "object",
    "properties": {
        "url": a("string", "Of the image; where the operator lets the desk fetch.", minLength=1),
        "metadata": {**ANYTHING, "description": "Echoed back."},
        **SHARED_FIELDS,
        "is_confidential": a("boolean", "Hide the image from moderators."),
    },
    "required": ["url"],
    "additionalProperties": False,
}
ENDPOINT_FIELDS = {
    "url": a("string", minLength=1),
    "events": each(a("string", enum=WebhookEndpoint.Event.values), minItems=1),
    "description": a("string", maxLength=200, pattern=NO_NUL),
}
NEW_ENDPOINT = {
    "type": "object",
    "properties": ENDPOINT_FIELDS,
    "required": ["url", "events"],
    "additionalProperties": False,
}
ENDPOINT_CHANGES = {
    "type": "object",
    "properties": {**ENDPOINT_FIELDS, "enabled": a("boolean")},
    "additionalProperties": False,
}
