"""Comparing and promoting models, and going back: `/api/v1/models/…`."""

import uuid
from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from detection import words
from detection.api.base import administrator, reviewer
from detection.api.parsers import ObjectParser
from detection.api.permissions import RegistryScopes
from detection.api.registry_shapes import NEW_COMPARISON, PROMOTION, ROLL_BACK
from detection.api.schema import JSON, operation
from detection.api.serializers import NoUnknownFields
from detection.comparison_presentation import changed_verdicts, failure, gate
from detection.models import Activation, Comparison, ModelVersion, Snapshot
from detection.registry_words import obstacle_sentence
from detection.services import comparisons, registry

COMPARISONS_SHOWN = ACTIVATIONS_SHOWN = 50
MAX_REASON = 500


class ComparisonForm(NoUnknownFields, serializers.Serializer[Any]):
    snapshot = serializers.PrimaryKeyRelatedField(queryset=Snapshot.objects.all())


class RollBackForm(NoUnknownFields, serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=MAX_REASON)


class PromotionForm(RollBackForm):
    comparison = serializers.UUIDField()
    overrule = serializers.BooleanField(default=False)


class ModelComparisons(APIView):
    permission_classes = [*APIView.permission_classes, RegistryScopes]
    parser_classes = [ObjectParser]

    @operation("listComparisons", tag="Models", answers={200: "ComparisonList"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """The latest comparisons of one version, newest first; for reviewers."""
        reviewer(request)
        version = get_object_or_404(ModelVersion, pk=pk)
        rows = _comparisons().filter(candidate=version).newest_first()[:COMPARISONS_SHOWN]
        return Response({"results": [head(request, row) for row in rows]})

    @operation(
        "compareModel",
        tag="Models",
        answers={202: "Comparison"},
        problems=[400, 404, 409, 415],
        body={JSON: NEW_COMPARISON},
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Have a version compared with the one that judges; the same order again is the same."""
        by = administrator(request)
        version = get_object_or_404(ModelVersion, pk=pk)
        form = ComparisonForm(data=request.data)
        form.is_valid(raise_exception=True)
        row = comparisons.order(version, form.validated_data["snapshot"], by=by)
        row = _comparisons().get(pk=row.pk)
        answer = Response(whole(request, row, by), status=status.HTTP_202_ACCEPTED)
        answer["Location"] = _address(request, "api_comparison", row)
        return answer


class ComparisonResource(APIView):
    permission_classes = [*APIView.permission_classes, RegistryScopes]

    @operation("readComparison", tag="Models", answers={200: "Comparison"}, problems=[404])
    def get(self, request: Request, pk: uuid.UUID, comparison_pk: uuid.UUID) -> Response:
        """One comparison: how far it is, then all its figures and what the gate says."""
        user = reviewer(request)
        row = get_object_or_404(_comparisons(), pk=comparison_pk, candidate=pk)
        return Response(whole(request, row, user))


class Promotion(APIView):
    permission_classes = [*APIView.permission_classes, RegistryScopes]
    parser_classes = [ObjectParser]

    @operation(
        "promoteModel",
        tag="Models",
        answers={200: "Activation"},
        problems=[400, 404, 409, 415],
        body={JSON: PROMOTION},
    )
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """Let a compared version judge from now on; for an administrator's key."""
        by = administrator(request)
        version = get_object_or_404(ModelVersion, pk=pk)
        form = PromotionForm(data=request.data)
        form.is_valid(raise_exception=True)
        said = form.validated_data
        row = get_object_or_404(Comparison, pk=said["comparison"], candidate=version)
        made = registry.promote(
            version, comparison=row, by=by, reason=said["reason"], overrules=said["overrule"]
        )
        return Response(_activation(made))


class RollBack(APIView):
    permission_classes = [*APIView.permission_classes, RegistryScopes]
    parser_classes = [ObjectParser]

    @operation(
        "rollModelBack",
        tag="Models",
        answers={200: "Activation"},
        problems=[400, 404, 409, 415],
        body={JSON: ROLL_BACK},
    )
    def post(self, request: Request) -> Response:
        """Let the version judge again that the present one followed; for an administrator's key."""
        by = administrator(request)
        form = RollBackForm(data=request.data)
        form.is_valid(raise_exception=True)
        return Response(
            _activation(registry.roll_back(by=by, reason=form.validated_data["reason"]))
        )


class ActivationCollection(APIView):
    permission_classes = [*APIView.permission_classes, RegistryScopes]

    @operation("listActivations", tag="Models", answers={200: "ActivationList"}, problems=[404])
    def get(self, request: Request) -> Response:
        """The latest changes of the version that judges, newest first; for reviewers."""
        reviewer(request)
        rows = Activation.objects.select_related("version", "previous").newest_first()
        return Response({"results": [_activation(row) for row in rows[:ACTIVATIONS_SHOWN]]})


def reference(version: ModelVersion) -> dict[str, str]:
    """A version as other rows name it."""
    return {
        "id": str(version.pk),
        "name": version.name,
        "version": version.version,
        "artifact_sha256": version.artifact_sha256,
    }


def head(request: Request, row: Comparison) -> dict[str, Any]:
    """A comparison in a list."""
    is_done, code = row.status == Comparison.Status.DONE, row.failure_code
    return {
        "id": str(row.pk),
        "status": row.status,
        "candidate": reference(row.candidate),
        "against": reference(row.against),
        "snapshot": str(row.snapshot_id),
        "done": row.done,
        "total": row.total,
        "gate": gate(row).state if is_done else None,
        "failure": {"code": code, "detail": failure(row)} if code else None,
        "created_at": row.created_at,
        "completed_at": row.completed_at,
        "links": {
            "comparison": _address(request, "api_comparison", row),
            "page": _address(request, "comparison", row),
        },
    }


def whole(request: Request, row: Comparison, user: User) -> dict[str, Any]:
    """A comparison with its figures, as this person may see it."""
    seen, hidden = changed_verdicts(row, user)
    told = {one["detection"]: one for one in row.changed}
    changed = [
        {"detection": pk, "before": told[pk]["before"], "after": told[pk]["after"]} for pk in seen
    ]
    return {
        **head(request, row),
        "obstacles": [
            {
                "code": one["code"],
                "detail": obstacle_sentence(one, words.SOURCES, words.DAMAGES),
                "figures": {name: value for name, value in one.items() if name != "code"},
            }
            for one in row.obstacles
        ],
        "figures": row.figures,
        "changed": changed,
        "changed_hidden": hidden,
    }


def _activation(row: Activation) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "kind": row.kind,
        "model": reference(row.version),
        "previous": reference(row.previous) if row.previous else None,
        "reason": row.reason,
        "created_at": row.created_at,
    }


def _comparisons() -> Any:
    return Comparison.objects.select_related("candidate", "against")


def _address(request: Request, route: str, row: Comparison) -> str:
    return request.build_absolute_uri(reverse(route, args=[row.candidate_id, row.pk]))
