"""Training runs: ordered on a page, by the API, the command line or the schedule, one at a time."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts import audit
from accounts.models import ApiKey, User
from detection import doorbell, storage, trainable
from detection.errors import Refused
from detection.models import Dataset, LabelledImage, ModelVersion, Snapshot, TrainingRun
from detection.services import snapshots
from detection.trainable import Network, Start

QUEUE = "train"
TASK = "detection.training_tasks.train"
REGISTERING = "registering"  # the stage in which a run can no longer be called off
LOG_FILE = "log.txt"


@dataclass(frozen=True)
class Order:
    """What somebody wants trained.

    Attributes:
        epochs: as many as the network takes where it is None.
        snapshot: to train on; None freezes one from the data sets first.
    """

    config: str
    via: str
    by: User | None = None
    api_key: ApiKey | None = None
    start: str = TrainingRun.Start.ACTIVE
    epochs: int | None = None
    seed: int = 1
    snapshot: Snapshot | None = None
    datasets: tuple[Dataset, ...] = ()
    note: str = ""


class AlreadyTraining(Refused):
    """There is an open run already.

    Attributes:
        run: that one.
    """

    def __init__(self, run: TrainingRun) -> None:
        super().__init__("already_training", str(run.pk))
        self.run = run


def order(wanted: Order) -> TrainingRun:
    """Start a run; the trainer hears of it after the commit.

    Raises:
        AlreadyTraining: one is open; of two orders at once, one is told of the other.
        Refused: it could not end in a model that is measured, or there is no room for it.
    """
    network = _offer(wanted)
    if (open_ := TrainingRun.objects.open().first()) is not None:
        raise AlreadyTraining(open_)
    active = _start(wanted, network)
    with transaction.atomic():  # what is refused freezes nothing, however often it is tried
        snapshot = wanted.snapshot or _frozen(wanted)
        check(snapshot, network)
    run = TrainingRun(
        config=network.config,
        snapshot=snapshot,
        epochs=wanted.epochs or network.epochs,
        start=wanted.start,
        started_from=active,
        seed=wanted.seed,
        by=wanted.by,
        api_key=wanted.api_key,
        via=wanted.via,
        note=wanted.note,
    )
    try:
        with transaction.atomic():
            run.save(force_insert=True)
            _record("training_run.ordered", run, by=wanted.by, after=_told(run))
            transaction.on_commit(lambda: ring(run), robust=True)
    except IntegrityError:
        other = TrainingRun.objects.open().first()
        if other is None:
            raise
        raise AlreadyTraining(other) from None
    return run


def check(snapshot: Snapshot, network: Network) -> None:
    """Refuse what could only fail later.

    Raises:
        Refused: the snapshot is broken, holds too little, or the disk has no room for it.
    """
    if not snapshot.is_whole:
        raise Refused("snapshot_broken")
    if lacking := trainable.lacking(snapshot.counts):
        found = [
            "{}: {} + {} < {} + {}".format(split, *have, *trainable.NEEDED[split])
            for split, have in lacking.items()
        ]
        raise Refused("too_few_to_validate", "; ".join(found))
    if network.needs_both and not trainable.teaches_pairs(snapshot.counts):
        raise Refused("no_source_with_both")
    if not has_room(trainable.prepared_bytes(network, snapshot.counts)):
        raise Refused("no_room_to_train")


def has_room(needed_bytes: int = 0) -> bool:
    """Whether the data folder's disk keeps its reserve beside what is needed."""
    free = shutil.disk_usage(settings.DATA_DIR).free
    return free - needed_bytes >= settings.TRAINING_RESERVE_BYTES


def cancel(run: TrainingRun, *, by: User | None) -> None:
    """Call a run off: at once where nobody works on it, else within seconds.

    Raises:
        Refused: it has ended, or is just being registered.
    """
    with transaction.atomic():
        if run.cancel_unheld():
            clear_later(run)
            _record("training_run.cancelled", run, by=by)
            return
        held = TrainingRun.objects.filter(pk=run.pk, status=TrainingRun.Status.RUNNING)
        if (
            held.exclude(stage=REGISTERING)
            .filter(cancel_asked_at=None)
            .update(cancel_asked_at=Now())
        ):
            _record("training_run.cancel_asked", run, by=by)
            return
    now = TrainingRun.objects.get(pk=run.pk)
    if now.is_finished:
        raise Refused("training_ended")
    if now.cancel_asked_at is None:
        raise Refused("training_registers")


def ring(run: TrainingRun) -> bool:
    """Tell the trainer; False where the broker is away and the sweeper has to."""
    return doorbell.send(TASK, [str(run.pk)], QUEUE)


def learnt_before(version: ModelVersion, snapshot: Snapshot) -> set[str]:
    """SHA-256 of a snapshot's images that a version has learnt from.

    Those of the runs that made it; and of a version that came from elsewhere, whatever is of a
    source that it names.
    """
    images = snapshot.images.all()
    known: set[str] = set()
    one: ModelVersion | None = version
    while one is not None:
        run = TrainingRun.objects.filter(candidate=one).select_related("started_from").first()
        if run is None:
            start = trainable.start_of(one)
            named = start.sources if start else frozenset()
            known.update(images.filter(source__in=named).values_list("sha256", flat=True))
            break
        earlier = images.filter(pk__in=run.snapshot.images.values("pk"))
        known.update(earlier.values_list("sha256", flat=True))
        one = run.started_from
    return known


@dataclass(frozen=True)
class Learnt:
    """What versions learnt from or were fitted on: SHA-256 of files, and their groups."""

    files: frozenset[str]
    groups: frozenset[str]


def learnt_by(*versions: ModelVersion) -> Learnt:
    """Of the runs of this desk that made these versions, and of those they went on from."""
    frozen = []
    for version in versions:
        one: ModelVersion | None = version
        while one is not None:
            run = TrainingRun.objects.filter(candidate=one).select_related("started_from").first()
            if run is None:
                break
            frozen.append(run.snapshot_id)
            one = run.started_from
    images = LabelledImage.objects.filter(snapshots__in=frozen)
    rows = list(images.exclude(split=LabelledImage.Split.TEST).values_list("sha256", "group"))
    return Learnt(frozenset(sha256 for sha256, _ in rows), frozenset(group for _, group in rows))


def lost_sources(version: ModelVersion) -> list[str]:
    """Sources that a version learnt from and of which this desk has no image to replay."""
    start = trainable.start_of(version)
    if start is None:
        return []
    usable = LabelledImage.objects.usable().filter(source__in=start.sources)
    here = set(usable.values_list("source", flat=True).distinct())
    return sorted(start.sources - here)


def version_of(run: TrainingRun) -> str:
    """What the artifact of a run is called: the day it was ordered, and its number that day."""
    day = run.created_at.date()
    before = Q(created_at__lt=run.created_at) | Q(created_at=run.created_at, pk__lte=run.pk)
    number = TrainingRun.objects.filter(before, created_at__date=day).count()
    return f"desk-{day:%Y-%m-%d}-{number}"


def clear(run: TrainingRun) -> None:
    """Throw away what a run that ended worked with; its log stays."""
    for path in storage.training_dir(run.pk).glob("*"):
        if path.name == LOG_FILE:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def clear_later(run: TrainingRun) -> None:
    """The same, once what ended it is committed."""
    transaction.on_commit(lambda: clear(run), robust=True)


def record_end(action: str, run: TrainingRun, **after: Any) -> None:
    """Record how a run ended, in the transaction that ends it."""
    _record(action, run, by=None, after=after)


def _offer(wanted: Order) -> Network:
    network = trainable.offer(wanted.config)
    if network is None:
        raise Refused("network_not_offered")
    if wanted.epochs is not None and not 1 <= wanted.epochs <= network.max_epochs:
        raise Refused("too_many_epochs", f"1–{network.max_epochs}")
    return network


def _start(wanted: Order, network: Network) -> ModelVersion | None:
    if wanted.start == TrainingRun.Start.SCRATCH:
        return None
    active = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).first()
    if active is None:
        raise Refused("no_active_model")
    start: Start | None = trainable.start_of(active)
    if start is None:
        raise Refused(
            "no_start_weights" if active.architecture == network.network else "other_network"
        )
    if not trainable.fits(start, network):
        raise Refused("other_network")
    return active


def _frozen(wanted: Order) -> Snapshot:
    if not wanted.datasets:
        raise Refused("nothing_to_train_on")
    names = ", ".join(dataset.name for dataset in wanted.datasets)
    return snapshots.freeze(list(wanted.datasets), name=names[:80], by=wanted.by)


def _told(run: TrainingRun) -> dict[str, Any]:
    return {
        "config": run.config,
        "snapshot": run.snapshot.sha256,
        "epochs": run.epochs,
        "seed": run.seed,
        "start": run.start,
        "started_from": run.started_from.artifact_sha256 if run.started_from else None,
        "via": run.via,
    }


def _record(
    action: str, run: TrainingRun, *, by: User | None, after: dict[str, Any] | None = None
) -> None:
    candidate = run.candidate.artifact_sha256 if run.candidate else ""
    audit.record(action, actor=by, target=run, target_sha256=candidate, after=after)


def open_run() -> TrainingRun | None:
    """The one that waits or is under way."""
    return TrainingRun.objects.open().select_related("snapshot", "started_from").first()


def ended_with_files() -> Iterable[TrainingRun]:
    """Runs that ended and whose files nobody removed."""
    paths = (settings.DATA_DIR / "training").glob("*")
    full = [path for path in paths if any(one.name != LOG_FILE for one in path.glob("*"))]
    found = [pk for pk in map(storage.image_id, full) if pk is not None]
    return TrainingRun.objects.exclude(status__in=TrainingRun.OPEN).filter(pk__in=found)
