"""What the API says of webhooks, as JSON Schema."""

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
    ref,
)
from detection.models import WebhookDelivery, WebhookEndpoint

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
    "WebhookDeliveryPage": page_of("WebhookDelivery"),
}
