"""When training starts by itself: enough new reviewed labels, and not too often."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts import audit
from accounts.models import User
from detection.errors import Refused
from detection.models import (
    Dataset,
    LabelledImage,
    TrainingRun,
    TrainingSchedule,
)
from detection.services import training

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class State:
    """How near the next run is.

    Attributes:
        new_labels: reviewed ones that no run learnt from which ended in a candidate.
        not_before: from when the days between runs have passed; None where there was no run.
    """

    new_labels: int
    not_before: datetime | None

    def is_due(self, schedule: TrainingSchedule) -> bool:
        has_passed = self.not_before is None or self.not_before <= timezone.now()
        return schedule.is_on and has_passed and self.new_labels >= schedule.new_labels


def schedule() -> TrainingSchedule:
    """The only row; one that is off before anybody saved it."""
    return TrainingSchedule.objects.first() or TrainingSchedule(pk=1)


def change(*, by: User, datasets: list[Dataset], **wanted: Any) -> TrainingSchedule:
    """Say when a run starts by itself, and which."""
    with transaction.atomic():
        row, _ = TrainingSchedule.objects.select_for_update().get_or_create(pk=1)
        before = _state(row)
        for name, value in wanted.items():
            setattr(row, name, value)
        row.save()
        row.datasets.set(datasets)
        audit.record(
            "training_schedule.changed", actor=by, target=row, before=before, after=_state(row)
        )
    return row


def state(row: TrainingSchedule) -> State:
    """How many labels are new, and from when another run may start."""
    labels = LabelledImage.objects.usable().filter(dataset__is_of_reviews=True)
    labels = labels.exclude(snapshots__runs__status=TrainingRun.Status.DONE)
    last = TrainingRun.objects.aggregate(at=Max("created_at"))["at"]
    not_before = None if last is None else last + timedelta(days=row.days_between)
    return State(labels.count(), not_before)


def start_if_due() -> TrainingRun | None:
    """Start a run where it is time for one; what hinders it is in the log and tried again."""
    row = schedule()
    if not row.is_on or not state(row).is_due(row):
        return None
    datasets = row.datasets.all() or Dataset.objects.all()
    try:
        return training.order(
            training.Order(
                config=row.config,
                via=TrainingRun.Via.SCHEDULE,
                start=row.start,
                epochs=row.epochs,
                datasets=tuple(datasets),
            )
        )
    except Refused as refusal:
        log.warning("the scheduled training did not start: %s", refusal.code)
        return None


def _state(row: TrainingSchedule) -> dict[str, Any]:
    names = ("is_on", "new_labels", "days_between", "config", "epochs", "start")
    chosen = sorted(str(pk) for pk in row.datasets.values_list("pk", flat=True))
    return {**{name: getattr(row, name) for name in names}, "datasets": chosen}
