"""Webhook deliveries as pages show them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from detection.models import WebhookDelivery
from detection.words import delivery_error_sentence


@dataclass(frozen=True)
class Attempt:
    """One attempt in words: what was answered, or why nothing was."""

    at: datetime
    status_code: int | None
    error: str
    ms: int


@dataclass(frozen=True)
class DeliveryRow:
    """One delivery; `payload` is indented for reading, empty once the image was erased."""

    delivery: WebhookDelivery
    attempts: list[Attempt]
    payload: str


def delivery_rows(deliveries: Iterable[WebhookDelivery]) -> list[DeliveryRow]:
    return [_row(one) for one in deliveries]


def _row(delivery: WebhookDelivery) -> DeliveryRow:
    text = delivery.payload
    readable = json.dumps(json.loads(text), ensure_ascii=False, indent=2) if text else ""
    return DeliveryRow(delivery, [_attempt(one) for one in delivery.attempts], readable)


def _attempt(row: dict[str, Any]) -> Attempt:
    error = delivery_error_sentence(row["error"]) if row["error"] else ""
    return Attempt(datetime.fromisoformat(row["at"]), row["status_code"], error, row["ms"])
