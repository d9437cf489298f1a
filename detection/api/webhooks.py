"""Webhook endpoints for machines: `/api/v1/webhooks`."""

import uuid
from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detection.api.base import caller, keyset_page
from detection.api.parsers import ObjectParser
from detection.api.permissions import WebhookScope
from detection.api.request_shapes import ENDPOINT_CHANGES, NEW_ENDPOINT
from detection.api.schema import JSON, operation, query
from detection.api.webhook_serializers import (
    DeliverySerializer,
    EndpointChanges,
    EndpointForm,
    EndpointSerializer,
)
from detection.models import WebhookDelivery, WebhookEndpoint
from detection.models.webhook import WebhookDeliveryQuerySet
from detection.services import webhooks

FILTERS = [
    query("status", "Only those in this state.", enum=WebhookDelivery.Status.values),
    query("cursor", "`next` of the page before.", format="cursor"),
]


class WebhookView(APIView):
    permission_classes = [*APIView.permission_classes, WebhookScope]
    parser_classes = [ObjectParser]


class WebhookCollection(WebhookView):
    @operation("listWebhooks", tag="Webhooks", answers={200: "WebhookEndpointList"})
    def get(self, request: Request) -> Response:
        """All of one's endpoints, newest first; there are at most 20."""
        rows = WebhookEndpoint.objects.receivers_of(caller(request))
        return Response({"results": EndpointSerializer(rows, many=True).data})

    @operation(
        "makeWebhook",
        tag="Webhooks",
        answers={201: "WebhookEndpointWithSecret"},
        problems=[400, 409, 413, 415],
        body={JSON: NEW_ENDPOINT},
    )
    def post(self, request: Request) -> Response:
        """Make an endpoint; the answer holds its secret, this once."""
        form = EndpointForm(data=request.data)
        form.is_valid(raise_exception=True)
        endpoint, secret = webhooks.add_endpoint(by=caller(request), **form.validated_data)
        location = request.build_absolute_uri(reverse("api_webhook", args=[endpoint.pk]))
        body = {**EndpointSerializer(endpoint).data, "secret": secret}
        return Response(body, status=status.HTTP_201_CREATED, headers={"Location": location})


class WebhookResource(WebhookView):
    @operation("readWebhook", tag="Webhooks", answers={200: "WebhookEndpoint"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        return Response(EndpointSerializer(_endpoint(request, pk)).data)

    @operation(
        "changeWebhook",
        tag="Webhooks",
        answers={200: "WebhookEndpoint"},
        problems=[400, 404, 413, 415],
        body={JSON: ENDPOINT_CHANGES},
    )
    def patch(self, request: Request, pk: uuid.UUID) -> Response:
        """Change `url`, `events`, `description` or `enabled`; what is not given stays."""
        endpoint = _endpoint(request, pk)
        form = EndpointChanges(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        changed = webhooks.change_endpoint(
            by=caller(request), endpoint=endpoint, **form.validated_data
        )
        return Response(EndpointSerializer(changed).data)

    @operation("deleteWebhook", tag="Webhooks", answers={204: None}, problems=[404])
    def delete(self, request: Request, pk: uuid.UUID) -> Response:
        """End it for good; what waits for it is cancelled."""
        webhooks.delete_endpoint(by=caller(request), endpoint=_endpoint(request, pk))
        return Response(status=status.HTTP_204_NO_CONTENT)


class WebhookRotation(WebhookView):
    @operation(
        "rotateWebhookSecret",
        tag="Webhooks",
        answers={200: "WebhookEndpointWithSecret"},
        problems=[404],
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """A new secret, in this answer alone; the old one signs as well for 24 hours."""
        row, secret = webhooks.rotate_secret(by=caller(request), endpoint=_endpoint(request, pk))
        return Response({**EndpointSerializer(row).data, "secret": secret})


class CallbackRotation(WebhookView):
    @operation("rotateCallbackSecret", tag="Webhooks", answers={200: "CallbackSecret"})
    def post(self, request: Request) -> Response:
        """The same for the secret that signs the callbacks of one's submissions."""
        row, secret = webhooks.rotate_callback_secret(by=caller(request))
        return Response({"previous_secret_until": row.previous_secret_until, "secret": secret})


class WebhookDeliveries(WebhookView):
    @operation(
        "listWebhookDeliveries",
        tag="Webhooks",
        answers={200: "WebhookDeliveryPage"},
        problems=[400, 404],
        parameters=FILTERS,
    )
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """What was told to an endpoint, newest first, in keyset pages."""
        rows = WebhookDelivery.objects.filter(endpoint=_endpoint(request, pk))
        return _page_of(rows, request.query_params)


class CallbackDeliveries(WebhookView):
    @operation(
        "listCallbackDeliveries",
        tag="Webhooks",
        answers={200: "WebhookDeliveryPage"},
        problems=[400],
        parameters=FILTERS,
    )
    def get(self, request: Request) -> Response:
        """The callbacks of one's submissions, newest first, in keyset pages."""
        rows = WebhookDelivery.objects.filter(
            endpoint__owner=caller(request), endpoint__is_for_callbacks=True
        )
        return _page_of(rows, request.query_params)


class DeliveryResending(WebhookView):
    @operation(
        "resendDelivery",
        tag="Webhooks",
        answers={202: "WebhookDelivery"},
        problems=[404, 409],
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Send again what failed or was cancelled: 202, under the same `webhook_id`."""
        delivery = get_object_or_404(
            WebhookDelivery.objects.of(caller(request)).select_related("endpoint"), pk=pk
        )
        webhooks.resend(by=caller(request), delivery=delivery)
        delivery.refresh_from_db()
        return Response(DeliverySerializer(delivery).data, status=status.HTTP_202_ACCEPTED)


def _endpoint(request: Request, pk: uuid.UUID) -> WebhookEndpoint:
    return get_object_or_404(WebhookEndpoint.objects.receivers_of(caller(request)), pk=pk)


def _page_of(rows: WebhookDeliveryQuerySet, params: Any) -> Response:
    wanted, known = params.get("status"), WebhookDelivery.Status.values
    if wanted is not None and wanted not in known:
        raise ValidationError({"status": f"{wanted!r} is unknown; say one of {', '.join(known)}."})
    if wanted is not None:
        rows = rows.filter(status=wanted)

    def shown(some: list[WebhookDelivery]) -> Any:
        return DeliverySerializer(some, many=True).data

    return keyset_page(rows, params, shown)
