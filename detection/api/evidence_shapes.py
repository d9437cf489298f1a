"""What the API says of evidence, of parts of an image and of images like it, as JSON Schema."""

from detection.api.detection_shapes import DETECTION
from detection.api.shapes import (
    ADDRESS,
    ADDRESS_OR_NULL,
    ANYTHING,
    BOX,
    MOMENT,
    MOMENT_OR_NULL,
    SHARE,
    UUID,
    Shape,
    a,
    an_object,
    each,
    or_null,
    ref,
)
from detection.models import EvidenceLayer, Region
from detection.services.seen_before import Kind
from detection.words import BETWEEN_THRESHOLDS, FAILURES, REASONS

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
    "Evidence": EVIDENCE,
    "EvidenceList": an_object({"results": each(ref("Evidence"))}),
    "Region": REGION,
    "RegionList": an_object({"results": each(ref("Region"))}),
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
}
