"""What the API says of cases, as JSON Schema."""

from detection.api.shapes import (
    ADDRESS,
    MOMENT,
    MOMENT_OR_NULL,
    UUID,
    Shape,
    a,
    an_object,
    each,
    page_of,
)
from detection.models import CaseMember, Detection

CASE_OUTCOMES = (
    *Detection.Verdict.values,
    *(status for status in Detection.Status.values if status != Detection.Status.DONE),
)
CASE_ROLES = [CaseMember.OWNER, *CaseMember.Role.values]
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

SCHEMAS: dict[str, Shape] = {
    "Case": CASE,
    "CasePage": page_of("Case"),
    "CaseNote": CASE_NOTE,
    "CaseNotePage": page_of("CaseNote"),
}
