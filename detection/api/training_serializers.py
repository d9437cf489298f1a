"""Training runs for machines."""

from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.exceptions import NotFound

from detection import trainable
from detection.models import Dataset, Snapshot, TrainingRun
from detection.training_words import failure_words


class TrainingRunSerializer(serializers.ModelSerializer[TrainingRun]):
    """One run: what it was told, how far it is, what came of it."""

    snapshot = serializers.SerializerMethodField()
    started_from = serializers.SerializerMethodField()
    candidate = serializers.SerializerMethodField()
    failure = serializers.SerializerMethodField()

    class Meta:
        model = TrainingRun
        fields = [
            "id",
            "status",
            "config",
            "snapshot",
            "epochs",
            "start",
            "started_from",
            "seed",
            "via",
            "note",
            "stage",
            "done",
            "total",
            "expected_end_at",
            "history",
            "failure",
            "candidate",
            "created_at",
            "started_at",
            "cancel_asked_at",
            "completed_at",
        ]

    def get_snapshot(self, row: TrainingRun) -> dict[str, Any]:
        one = row.snapshot
        return {"id": str(one.pk), "sha256": one.sha256, "is_whole": one.is_whole}

    def get_started_from(self, row: TrainingRun) -> str | None:
        return row.started_from.artifact_sha256 if row.started_from else None

    def get_candidate(self, row: TrainingRun) -> dict[str, str] | None:
        one = row.candidate
        if one is None:
            return None
        return {"name": one.name, "version": one.version, "artifact_sha256": one.artifact_sha256}

    def get_failure(self, row: TrainingRun) -> dict[str, str] | None:
        code = row.failure_code
        return {"code": code, "detail": failure_words(code)} if code else None


class TrainingOrder(serializers.Serializer[TrainingRun]):
    """What a caller may say of a run."""

    config = serializers.ChoiceField([one.config for one in trainable.offers()])
    start = serializers.ChoiceField(
        TrainingRun.Start.choices, default=TrainingRun.Start.ACTIVE.value
    )
    snapshot = serializers.UUIDField(required=False, allow_null=True)
    datasets = serializers.ListField(child=serializers.UUIDField(), required=False)
    epochs = serializers.IntegerField(min_value=1, max_value=1000, required=False)
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=1)
    note = serializers.CharField(max_length=500, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what nobody reads: a misspelt field must not pass for none."""
        unknown = set(self.initial_data) - set(self.fields)
        if unknown:
            raise serializers.ValidationError(dict.fromkeys(sorted(unknown), "Unknown field."))
        named = {key: attrs[key] for key in ("snapshot", "datasets") if attrs.get(key)}
        return attrs | {key: _found(key, value) for key, value in named.items()}


def _found(key: str, value: Any) -> Any:
    """The rows of these ids.

    Raises:
        NotFound: there is no such row.
    """
    if key == "snapshot":
        return get_object_or_404(Snapshot, pk=value)
    found = list(Dataset.objects.filter(pk__in=value))
    if len(found) != len(set(value)):
        raise NotFound
    return found
