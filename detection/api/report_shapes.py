"""What the API says of reports, as JSON Schema."""

from django.conf import settings

from detection.api.shapes import (
    ADDRESS,
    ADDRESS_OR_NULL,
    MOMENT,
    MOMENT_OR_NULL,
    SHA256,
    UUID,
    Shape,
    a,
    an_object,
    each,
    ref,
)
from detection.services.report_checks import REASONS as SUPERSEDED_BY
from detection.services.report_checks import STATES

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
}
