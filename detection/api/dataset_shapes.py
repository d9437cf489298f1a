"""The shapes of the API's answers about labelled data, and of what is sent to it."""

from detection.api.shapes import (
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
from detection.models import DatasetImport, ImportedFile, LabelledImage

COUNT = a("integer", minimum=0)
BOTH = {"real": COUNT, "fake": COUNT}
OUTCOMES: Shape = {
    "type": "object",
    "description": "Files by what became of them.",
    "properties": dict.fromkeys(ImportedFile.Outcome.values, COUNT),
    "additionalProperties": False,
}
LINK = a("string", format="uri")
NEXT = a("string?", "Cursor of the next page; null on the last.")
DATASET = {
    "id": UUID,
    "name": a("string"),
    "description": a("string"),
    "licence": a("string"),
    "consent": a("string", "On what ground the people shown may be learnt from."),
    "is_of_reviews": a("boolean", "Filled by reviewed claims, and by no import."),
    "created_at": MOMENT,
    "images": an_object(BOTH),
    "links": an_object({"page": LINK, "imports": LINK}),
}
IMPORT = {
    "id": UUID,
    "dataset": UUID,
    "name": a("string", "What was imported was called so."),
    "status": a("string", enum=DatasetImport.Status.values),
    "stage": a("string", enum=DatasetImport.Stage.values),
    "done": COUNT,
    "total": {**COUNT, "description": "Files listed; 0 until they are."},
    "outcome": OUTCOMES,
    "failure": or_null(an_object({"code": a("string"), "detail": a("string")})),
    "created_at": MOMENT,
    "completed_at": MOMENT_OR_NULL,
    "links": an_object({"page": LINK, "self": LINK, "files": LINK}),
}
SNAPSHOT = {
    "id": UUID,
    "name": a("string"),
    "sha256": {**SHA256, "description": "Of its rows; the same rows are the same snapshot."},
    "is_whole": a("boolean", "False once an image was removed: nothing is trained on it then."),
    "broken_at": MOMENT_OR_NULL,
    "created_at": MOMENT,
    "datasets": each(UUID),
    "counts": {
        "type": "object",
        "description": "By split, then by source.",
        "additionalProperties": {"type": "object", "additionalProperties": an_object(BOTH)},
    },
}
FILE = {
    "name": a("string"),
    "outcome": a("string", enum=ImportedFile.Outcome.values),
    "note": a("string", "What else there is to say of it."),
    "label": {"enum": ["real", "fake", None]},
    "source": a("string"),
    "sha256": or_null(SHA256),
}


def _page(item: Shape) -> Shape:
    return an_object({"results": each(item), "next": NEXT})


SCHEMAS: dict[str, Shape] = {
    "Dataset": an_object(DATASET),
    "DatasetPage": _page(ref("Dataset")),
    "DatasetDetail": an_object(
        {
            **DATASET,
            "counts": each(
                an_object(
                    {
                        "source": a("string"),
                        "split": a("string", enum=LabelledImage.Split.values),
                        **BOTH,
                    }
                )
            ),
        }
    ),
    "DatasetImport": an_object(IMPORT),
    "DatasetImportPage": _page(ref("DatasetImport")),
    "ImportedFilePage": _page(an_object(FILE)),
    "Snapshot": an_object(SNAPSHOT),
    "SnapshotPage": _page(ref("Snapshot")),
}
_NAME = a("string", minLength=1, maxLength=80, pattern=NO_NUL)
NEW_DATASET = {
    "type": "object",
    "properties": {
        "name": _NAME,
        "licence": a("string", minLength=1, maxLength=200, pattern=NO_NUL),
        "description": a("string", maxLength=2000, pattern=NO_NUL),
        "consent": a("string", maxLength=2000, pattern=NO_NUL),
    },
    "required": ["name", "licence"],
    "additionalProperties": False,
}
ARCHIVE = {
    "type": "object",
    "properties": {
        "archive": a("string", format="binary", contentMediaType="application/octet-stream")
    },
    "required": ["archive"],
    "additionalProperties": False,
}
PLACE = {
    "type": "object",
    "properties": {
        "path": a(
            "string",
            "Below `UNMASK_IMPORT_DIR`: a folder, a manifest or a ZIP.",
            minLength=1,
            maxLength=500,
            pattern=NO_NUL,
        )
    },
    "required": ["path"],
    "additionalProperties": False,
}
NEW_SNAPSHOT = {
    "type": "object",
    "properties": {"name": _NAME, "datasets": each(UUID, minItems=1, maxItems=100)},
    "required": ["name", "datasets"],
    "additionalProperties": False,
}
