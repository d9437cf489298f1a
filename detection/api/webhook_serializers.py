"""The shapes of webhook endpoints and their deliveries for machines."""

import json
from typing import Any

from rest_framework import serializers

from deepfake_site import outbound
from detection.api.serializers import acceptable_url
from detection.models import WebhookDelivery, WebhookEndpoint


class EndpointSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    """One endpoint; its secret is in no answer but that to its making and its rotation."""

    enabled = serializers.SerializerMethodField()
    disabled_because = serializers.SerializerMethodField()

    class Meta:
        model = WebhookEndpoint
        fields = [
            "id",
            "url",
            "description",
            "events",
            "enabled",
            "disabled_because",
            "failing_since",
            "previous_secret_until",
            "created_at",
        ]

    def get_enabled(self, row: WebhookEndpoint) -> bool:
        return row.disabled_at is None

    def get_disabled_because(self, row: WebhookEndpoint) -> str | None:
        return row.disabled_because or None


class EndpointForm(serializers.Serializer[WebhookEndpoint]):
    """What a caller may say of an endpoint."""

    url = serializers.CharField(max_length=outbound.MAX_URL_LENGTH)
    events = serializers.ListField(
        child=serializers.ChoiceField(WebhookEndpoint.Event.choices), allow_empty=False
    )
    description = serializers.CharField(max_length=200, allow_blank=True, required=False)

    def validate_url(self, value: str) -> str:
        return acceptable_url(value)

    def validate_events(self, value: list[str]) -> list[str]:
        return sorted(set(value))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what nobody reads: a misspelt field must not pass for none."""
        unknown = set(self.initial_data) - set(self.fields)
        if unknown:
            raise serializers.ValidationError(dict.fromkeys(sorted(unknown), "Unknown field."))
        return attrs


class EndpointChanges(EndpointForm):
    """Any of them, and the switch."""

    enabled = serializers.BooleanField(source="is_enabled", required=False)


class DeliverySerializer(serializers.ModelSerializer[WebhookDelivery]):
    """One delivery with what was sent and how each attempt went."""

    webhook_id = serializers.CharField(source="message_id")
    attempts = serializers.SerializerMethodField()
    payload = serializers.SerializerMethodField()
    next_attempt_at = serializers.SerializerMethodField()

    class Meta:
        model = WebhookDelivery
        fields = [
            "id",
            "webhook_id",
            "event",
            "detection",
            "url",
            "status",
            "attempts",
            "next_attempt_at",
            "created_at",
            "ended_at",
            "payload",
        ]

    def get_attempts(self, row: WebhookDelivery) -> list[dict[str, Any]]:
        """Their times as all others of the API: rows keep what Python calls an ISO time."""
        return [{**one, "at": one["at"].replace("+00:00", "Z")} for one in row.attempts]

    def get_payload(self, row: WebhookDelivery) -> dict[str, Any] | None:
        """None once the image was erased."""
        return json.loads(row.payload) if row.payload else None

    def get_next_attempt_at(self, row: WebhookDelivery) -> Any:
        return row.due_at if row.status == WebhookDelivery.Status.PENDING else None
