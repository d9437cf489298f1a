"""What the desk counts of itself: `/api/v1/monitoring`, for moderators and administrators."""

import uuid

from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from detection.api.base import administrator, reviewer
from detection.api.monitoring_shapes import ACKNOWLEDGEMENT
from detection.api.permissions import DeskScopes
from detection.api.schema import JSON, operation, query
from detection.models import DriftAlert, PeriodFigures
from detection.monitoring_data import alert_data, monitoring_data
from detection.services import drift_alerts
from detection.services.monitoring import MOST, monitoring


class PeriodsAsked(serializers.Serializer[None]):
    """Which periods somebody asks for."""

    unit = serializers.ChoiceField(choices=PeriodFigures.Unit.choices, default="week")
    count = serializers.IntegerField(min_value=1, max_value=max(MOST.values()), required=False)


class NoteSerializer(serializers.Serializer[None]):
    note = serializers.CharField(max_length=drift_alerts.MOST_NOTE)


class MonitoringResource(APIView):
    permission_classes = [*APIView.permission_classes, DeskScopes]

    @operation(
        "readMonitoring",
        tag="Monitoring",
        answers={200: "Monitoring"},
        problems=[400, 404],
        parameters=[
            query("unit", "`week` or `day`", enum=list(MOST)),
            query(
                "count",
                "how many periods; 26 weeks or 28 days unless said",
                type="integer",
                minimum=1,
                maximum=max(MOST.values()),
            ),
        ],
    )
    def get(self, request: Request) -> Response:
        """What was received, what became of it, and what is wrong: counts of weeks or days."""
        person = reviewer(request)
        asked = PeriodsAsked(data=request.query_params)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        found = monitoring(by=person, unit=wanted["unit"], count=wanted.get("count"))
        return Response(monitoring_data(found))


class AlertAcknowledgement(APIView):
    permission_classes = [*APIView.permission_classes, DeskScopes]

    @operation(
        "acknowledgeAlert",
        tag="Monitoring",
        answers={200: "Alert"},
        problems=[400, 404, 409],
        body={JSON: ACKNOWLEDGEMENT},
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Say that you look after an alert, and how; administrators alone."""
        person = administrator(request)
        alert = get_object_or_404(DriftAlert, pk=pk)
        form = NoteSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        drift_alerts.acknowledge(by=person, alert=alert, note=form.validated_data["note"])
        alert.refresh_from_db()
        return Response(alert_data(alert))
