"""The shapes of the API's answers, as JSON Schema: what the OpenAPI document names."""

from typing import Any

from django.conf import settings

from detection.file_marks import EDITED, GENERATED, IN_PART
from detection.models import (
    CaseMember,
    Detection,
    EvidenceLayer,
    Feedback,
    ModelVersion,
    Region,
    WebhookDelivery,
    WebhookEndpoint,
)
from detection.services.report_checks import REASONS as SUPERSEDED_BY
from detection.services.report_checks import STATES
from detection.services.seen_before import Kind
from detection.words import BETWEEN_THRESHOLDS, FAILURES, REASONS

Shape = dict[str, Any]
CASE_OUTCOMES = (
    *Detection.Verdict.values,
    *(status for status in Detection.Status.values if status != Detection.Status.DONE),
)
CASE_ROLES = [CaseMember.OWNER, *CaseMember.Role.values]


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

TEXTS: Shape = {"type": "object", "additionalProperties": {"type": "string"}}

FILE_FACTS = an_object(
    {
        "marks": each(
            an_object(
                {
                    "kind": a("string", enum=[GENERATED, IN_PART, EDITED]),
                    "program": a("string"),
                    "where": a("string", "The field that says so."),
                    "text": a("string"),
                }
            ),
            "Where the file itself says that it was generated. Anybody can add or remove such a "
            "mark, so it changes no verdict.",
        ),
        "exif": TEXTS,
        "xmp": TEXTS,
        "iptc": TEXTS,
        "text": {**TEXTS, "description": "Text chunks and comments."},
        "history": each(TEXTS, "Steps of editing, as XMP keeps them."),
        "position": or_null(
            an_object({"latitude": a("number"), "longitude": a("number")}, "In degrees.")
        ),
        "dates_disagree": a("boolean", "Two of its dates cannot both be true."),
        "thumbnail": or_null(
            an_object(
                {
                    "width": a("integer"),
                    "height": a("integer"),
                    "differs": {
                        "enum": ["shape", "picture", None],
                        "description": "How it differs from the picture.",
                    },
                }
            )
        ),
        "jpeg": or_null(
            an_object(
                {
                    "quality": a("integer", minimum=1, maximum=100),
                    "tables": a("string", "Whose they are.", enum=["standard", "other"]),
                }
            )
        ),
        "icc_name": a("string?"),
        "trailing": an_object(
            {"bytes": a("integer"), "kind": a("string?", examples=["zip", "jpeg", "video"])},
            "What follows the end of the image.",
        ),
        "credentials": an_object(
            {
                "state": a(
                    "string",
                    "trusted: by a signer this desk knows; valid: by one it does not know. "
                    "Nothing is fetched, and none counts against no file.",
                    enum=["trusted", "valid", "invalid", "unreadable", "none"],
                ),
                "failures": each(a("string"), "Codes of the C2PA specification."),
                "signer": a("string?"),
                "signed_at": a("string?"),
                "generator": a("string?"),
                "title": a("string?"),
                "actions": each(TEXTS),
                "ingredients": each(TEXTS),
                "source_types": each(a("string", examples=["trainedAlgorithmicMedia"])),
            }
        ),
    },
    "What the file says about itself: untrusted text, bounded. Null until it was decoded.",
)

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
        "expected": or_null(
            an_object(
                {
                    "probability": a(
                        "number",
                        "P(manipulated) where `fake_share` of all submitted images are.",
                        minimum=0,
                        maximum=1,
                    ),
                    "fake_share": {**SHARE, "description": "What the desk expects."},
                    "calibration_fake_share": {
                        **SHARE,
                        "description": "Where the calibrated `probability` holds as it is.",
                    },
                },
                "The same evidence under the share of fakes that the desk expects. The verdict "
                "and the thresholds keep to `probability`.",
            )
        ),
        "reasons": each(
            a("string", examples=sorted([*REASONS, BETWEEN_THRESHOLDS])),
            "Why the verdict is not a plainer one; an inconclusive verdict has at least one.",
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
        "judged_before": a(
            "string?",
            "The detection of the same image by an earlier model, where this one followed it.",
            format="uuid",
        ),
        "file": or_null(FILE_FACTS),
        "review": or_null(ref("DetectionReview")),
        "metadata": METADATA,
    },
    "One image judged by one version of the model.",
)

BOX = each(
    a("number", minimum=0, maximum=1),
    "Left, top, width, height, as shares of the oriented picture.",
    minItems=4,
    maxItems=4,
)
REGION = an_object(
    {
        "id": UUID,
        "detection": UUID,
        "status": a("string", enum=Region.Status.values),
        "created_at": MOMENT,
        "completed_at": MOMENT_OR_NULL,
        "box": BOX,
        "box_px": each(
            a("integer", minimum=0),
            "The same in pixels; of a JPEG, from where one of its blocks starts.",
            minItems=4,
            maxItems=4,
        ),
        "verdict": {
            "enum": [*Region.Verdict.values, None],
            "description": "Of this part alone, as if it were a picture of its own.",
        },
        "probability": a("number?", minimum=0, maximum=1),
        "reasons": each(a("string", examples=sorted([*REASONS, BETWEEN_THRESHOLDS]))),
        "transforms": {
            "type": "object",
            "additionalProperties": SHARE,
            "description": "The probability of mildly altered copies.",
        },
        "failure": DETECTION["properties"]["failure"],
        "links": an_object({"detection": ADDRESS, "page": ADDRESS}),
    },
    "A part of an image, judged by itself. It changes no detection's verdict.",
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
CASE = an_object(
    {
        "id": UUID,
        "title": a("string"),
        "description": a("string"),
        "tags": each(a("string")),
        "version": a("integer", "Of title, description and tags together."),
        "role": a("string", "Yours.", enum=CASE_ROLES),
        "people": each(an_object({"name": a("string"), "role": a("string", enum=CASE_ROLES)})),
        "created_at": MOMENT,
        "closed_at": MOMENT_OR_NULL,
        "image_count": a("integer"),
        "counts": an_object(
            {name: a("integer") for name in CASE_OUTCOMES},
            "Images by verdict, or by the status of what has none.",
        ),
        "links": an_object({"page": ADDRESS, "images": ADDRESS, "notes": ADDRESS}),
    },
    "Images of one story, the people who may see them, and their notes.",
)
CASE_NOTE = an_object(
    {
        "id": UUID,
        "author": a("string"),
        "text": a("string", "Empty where the note was removed, or its author erased."),
        "version": a("integer"),
        "created_at": MOMENT,
        "changed_at": MOMENT_OR_NULL,
        "removed_at": MOMENT_OR_NULL,
    }
)


def _page_of(name: str) -> Shape:
    return an_object(
        {
            "results": each(ref(name)),
            "next": a("string?", "The `cursor` of the next page; null on the last one."),
        }
    )


REPORT_STATUS = {
    "id": UUID,
    "issued_at": MOMENT,
    "language": a("string", enum=[code for code, _name in settings.LANGUAGES]),
    "state": a("string", "What became of it since.", enum=list(STATES)),
    "because": {
        "enum": [*SUPERSEDED_BY, None],
        "description": "What superseded it. More codes may come.",
    },
    "key": a("string", "The id of the key that signed it.", pattern="^[0-9a-f]{16}$"),
}
REPORT = {
    **REPORT_STATUS,
    "detection": UUID,
    "recipient": a("string"),
    "is_named": a("boolean", "Whether it names who issued it."),
    "has_pictures": a("boolean"),
    "pdf_sha256": SHA256,
    "json_sha256": SHA256,
    "links": an_object({"status": ADDRESS, "pdf": ADDRESS_OR_NULL, "json": ADDRESS_OR_NULL}),
}
EVIDENCE = an_object(
    {
        "kind": a("string", enum=EvidenceLayer.Kind.values),
        "version": a("integer", "Of the method."),
        "status": a("string", enum=["not_asked", *EvidenceLayer.Status.values]),
        "reads": a("string", "How to read it, in one sentence."),
        "misleads": a("string", "When it misleads, in one sentence."),
        "findings": each(a("string"), "What was found, in sentences; none of it is proof."),
        "figures": {**ANYTHING, "description": "What the findings are made from."},
        "failure": or_null(
            an_object({"code": a("string", enum=list(FAILURES)), "detail": a("string")})
        ),
        "completed_at": MOMENT_OR_NULL,
        "links": an_object({"image": ADDRESS_OR_NULL}),
    }
)
SCHEMAS: dict[str, Shape] = {
    "Report": an_object(REPORT),
    "ReportList": an_object({"results": each(ref("Report"))}),
    "ReportStatus": an_object(REPORT_STATUS),
    "ReportKeyList": an_object(
        {
            "keys": each(
                an_object(
                    {
                        "id": a("string", pattern="^[0-9a-f]{16}$"),
                        "algorithm": a("string", enum=["Ed25519"]),
                        "public_key": a("string", "In hex.", pattern="^[0-9a-f]{64}$"),
                        "created_at": MOMENT,
                        "retired_at": MOMENT_OR_NULL,
                    }
                ),
                "Newest first; what a retired one signed stays valid.",
            )
        }
    ),
    "Evidence": EVIDENCE,
    "EvidenceList": an_object({"results": each(ref("Evidence"))}),
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
            "results": or_null(
                each(
                    an_object(
                        {
                            "position": a(
                                "integer?",
                                "That of the file in the request, from 0. Null in batches of a"
                                " release that did not keep it.",
                            ),
                            "file_name": a("string?", "Null of a refused file; empty once erased."),
                            "status": a(
                                "integer", "As if the file came alone, now; 404 once erased."
                            ),
                            "detection": or_null(ref("Detection")),
                            "problem": or_null(ref("Problem")),
                        }
                    ),
                    "In the order sent, each file with its own submission's `metadata`.",
                )
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
            "id": UUID,
            "name": a("string"),
            "version": a("string"),
            "state": a("string", enum=ModelVersion.State.values),
            "artifact_sha256": SHA256,
            "created_at": MOMENT,
            "activated_at": MOMENT_OR_NULL,
            "damaged_at": {
                **MOMENT_OR_NULL,
                "description": "Since when its files are not what was registered; null if whole.",
            },
            "operating_point": ANYTHING,
            "metrics": {**ANYTHING, "description": "Measured by source and by degradation."},
            "limits": each(a("string"), "What was measured, in sentences."),
        }
    ),
    "Problem": PROBLEM,
    "Case": CASE,
    "CasePage": _page_of("Case"),
    "CaseNote": CASE_NOTE,
    "CaseNotePage": _page_of("CaseNote"),
    "Region": REGION,
    "RegionList": an_object({"results": each(ref("Region"))}),
}
SCHEMAS["ModelList"] = an_object({"results": each(ref("Model"))})
