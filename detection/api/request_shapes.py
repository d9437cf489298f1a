"""The shapes of what requests bring, as JSON Schema."""

from django.conf import settings

from detection.api.serializers import FLAGS
from detection.api.shapes import ANYTHING, BOX, NO_NUL, UUID, a, each
from detection.models import EvidenceLayer, Feedback, Submission, WebhookEndpoint

# A form's values are text: what must be JSON says so.
FILE = a("string", format="binary", contentMediaType="application/octet-stream")
PRIORITY = a("string", enum=Submission.Priority.values)
SHARED_FIELDS = {
    "priority": PRIORITY,
    "is_confidential": a("string", "Hide the image from moderators.", enum=[*FLAGS]),
    "review": a("string", "A person looks at it, whatever the verdict.", enum=[*FLAGS]),
    "callback_url": a("string", "Told of the end by a signed webhook.", minLength=1),
    "case": a("string", "A case it goes into; a key needs `cases:write` too.", format="uuid"),
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
NEW_REPORT = {
    "type": "object",
    "properties": {
        "language": a("string", enum=[code for code, _name in settings.LANGUAGES]),
        "recipient": a("string", "For whom it is.", maxLength=200, pattern=NO_NUL),
        "is_named": a("boolean", "Name the owner of the key as the person who issued it."),
        "has_pictures": a("boolean", "Show the picture, with the marks on it; the default."),
    },
    "additionalProperties": False,
}
EVIDENCE_REQUEST = {
    "type": "object",
    "properties": {"kind": a("string", enum=EvidenceLayer.Kind.values)},
    "required": ["kind"],
    "additionalProperties": False,
}
NEW_REGION = {
    "type": "object",
    "properties": {"box": BOX},
    "required": ["box"],
    "additionalProperties": False,
}
SUBMISSION_BY_ADDRESS = {
    "type": "object",
    "properties": {
        "url": a("string", "Of the image; where the operator lets the desk fetch.", minLength=1),
        "metadata": {**ANYTHING, "description": "Echoed back."},
        **SHARED_FIELDS,
        "is_confidential": a("boolean", "Hide the image from moderators."),
        "review": a("boolean", "A person looks at it, whatever the verdict."),
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
SOME_TEXT = "^[^\\u0000]*[^\\s\\u0000][^\\u0000]*$"
CASE_FIELDS = {
    "title": a("string", maxLength=200, pattern=SOME_TEXT),
    "description": a("string", maxLength=4000, pattern=NO_NUL),
    "tags": each(a("string", maxLength=40, pattern=NO_NUL), maxItems=20),
}
NEW_CASE = {
    "type": "object",
    "properties": CASE_FIELDS,
    "required": ["title"],
    "additionalProperties": False,
}
SEEN_VERSION = a("integer", "The one you have seen: a newer one is not overwritten.", minimum=1)
CASE_CHANGES = {
    "type": "object",
    "properties": {
        **CASE_FIELDS,
        "version": SEEN_VERSION,
        "is_closed": a("boolean", "Its owner closes it, and opens it again."),
    },
    "required": ["version"],
    "additionalProperties": False,
}
CASE_IMAGES = {
    "type": "object",
    "properties": {
        "detections": each(UUID, "One of each image.", minItems=1, maxItems=200),
        "share_confidential": a("boolean", "You know that everybody in the case will see it."),
    },
    "required": ["detections"],
    "additionalProperties": False,
}
NOTE_TEXT = a("string", maxLength=10_000, pattern=SOME_TEXT)
NEW_NOTE = {
    "type": "object",
    "properties": {"text": NOTE_TEXT},
    "required": ["text"],
    "additionalProperties": False,
}
NOTE_CHANGES = {
    "type": "object",
    "properties": {"text": NOTE_TEXT, "version": SEEN_VERSION},
    "required": ["text", "version"],
    "additionalProperties": False,
}
