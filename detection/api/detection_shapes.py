"""What the API says of images and their verdicts, as JSON Schema."""

from detection.api.shapes import (
    ADDRESS,
    ADDRESS_OR_NULL,
    ANYTHING,
    METADATA,
    MOMENT,
    MOMENT_OR_NULL,
    SHA256,
    SHARE,
    TEXTS,
    UUID,
    Shape,
    a,
    an_object,
    each,
    or_null,
    page_of,
    ref,
)
from detection.file_marks import EDITED, GENERATED, IN_PART
from detection.models import Detection, Feedback
from detection.words import BETWEEN_THRESHOLDS, FAILURES, REASONS

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

BATCH_LINKS = an_object({"batch": ADDRESS, "detections": ADDRESS})
SCHEMAS: dict[str, Shape] = {
    "Detection": DETECTION,
    "DetectionPage": page_of("Detection"),
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
}
