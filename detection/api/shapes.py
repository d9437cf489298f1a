"""What the shapes of the API's answers are made of, as JSON Schema, and those that all share."""

from typing import Any

from detection.models import ModelVersion

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
BOX = each(
    a("number", minimum=0, maximum=1),
    "Left, top, width, height, as shares of the oriented picture.",
    minItems=4,
    maxItems=4,
)
ANYTHING = {"type": "object", "additionalProperties": True}
METADATA = {**ANYTHING, "description": "As it was sent with your latest submission of the image."}

TEXTS: Shape = {"type": "object", "additionalProperties": {"type": "string"}}


def page_of(name: str) -> Shape:
    return an_object(
        {
            "results": each(ref(name)),
            "next": a("string?", "The `cursor` of the next page; null on the last one."),
        }
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

SCHEMAS: dict[str, Shape] = {
    "Problem": PROBLEM,
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
    "ModelList": an_object({"results": each(ref("Model"))}),
}
