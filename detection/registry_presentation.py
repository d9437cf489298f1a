"""The registry of models as its page shows it: how each stands, and who changed what."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format

from detection.comparison_presentation import Gate, gate
from detection.model_card import Measured, measured
from detection.models import Activation, Comparison, ModelVersion, TrainingRun


@dataclass(frozen=True)
class ShownVersion:
    """One version; `since` and `by` are of its latest activation, None where it never judged.

    Attributes:
        headline: rates on its own test images: reals accused, fakes missed, verdicts given.
        compared: its latest comparison with the model that judges now, where there is one.
    """

    version: ModelVersion
    activation: Activation | None
    run: TrainingRun | None
    n: str
    accused: Measured
    missed: Measured
    decided: Measured
    compared: Comparison | None
    gate: Gate | None


def shown_versions(rows: Sequence[ModelVersion]) -> list[ShownVersion]:
    """Versions with what stands beside them; a few queries for all."""
    activations = _latest_activations(rows)
    comparisons = _latest_comparisons(rows)
    runs = {run.candidate_id: run for run in TrainingRun.objects.filter(candidate__in=rows)}
    return [
        _shown(row, activations.get(row.pk), runs.get(row.pk), comparisons.get(row.pk))
        for row in rows
    ]


def activations(most: int) -> list[Activation]:
    """The latest changes of the model that judges."""
    rows = Activation.objects.select_related("version", "previous", "by", "comparison")
    return list(rows.newest_first()[:most])


def _shown(
    row: ModelVersion,
    activation: Activation | None,
    run: TrainingRun | None,
    compared: Comparison | None,
) -> ShownVersion:
    pooled: Mapping[str, Any] = row.metrics.get("test", {}).get("all", {})
    is_done = compared is not None and compared.status == Comparison.Status.DONE
    return ShownVersion(
        version=row,
        activation=activation,
        run=run,
        n=number_format(pooled.get("n", 0), force_grouping=True) if pooled else "",
        accused=measured(pooled.get("false_accusations")),
        missed=measured(pooled.get("fakes_missed")),
        decided=measured(pooled.get("coverage")),
        compared=compared,
        gate=gate(compared) if compared is not None and is_done else None,
    )


def _latest_activations(rows: Sequence[ModelVersion]) -> dict[uuid.UUID, Activation]:
    found = Activation.objects.filter(version__in=rows).select_related("by")
    return {one.version_id: one for one in found.order_by("created_at", "id")}


def _latest_comparisons(rows: Sequence[ModelVersion]) -> dict[uuid.UUID, Comparison]:
    found = Comparison.objects.filter(
        candidate__in=rows, against__state=ModelVersion.State.ACTIVE
    ).defer("figures", "changed")
    return {one.candidate_id: one for one in found.order_by("created_at", "id")}
