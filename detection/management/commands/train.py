"""manage.py train: order a training and, unless told otherwise, watch it to its end."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from detection import trainable
from detection.errors import Refused
from detection.models import Dataset, Snapshot, TrainingRun
from detection.services import training
from detection.services.training import Order
from detection.training_words import failure_words, stage_words

LOOK_EVERY_S = 2.0


class Command(BaseCommand):
    help = "Order a training; the trainer of the running desk carries it out."

    def add_arguments(self, parser: CommandParser) -> None:
        networks = [one.config for one in trainable.offers()]
        parser.add_argument("network", choices=networks)
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--snapshot", help="SHA-256 of a frozen snapshot, or its beginning")
        source.add_argument("--dataset", action="append", help="name; freezes one now; repeatable")
        parser.add_argument("--start", choices=TrainingRun.Start.values, default="active")
        parser.add_argument("--epochs", type=int)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--note", default="")
        parser.add_argument("--no-wait", action="store_true", help="order it and return")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = training.order(
                Order(
                    config=options["network"],
                    via=TrainingRun.Via.COMMAND,
                    start=options["start"],
                    epochs=options["epochs"],
                    seed=options["seed"],
                    note=options["note"],
                    snapshot=_snapshot(options["snapshot"]) if options["snapshot"] else None,
                    datasets=_datasets(options["dataset"] or []),
                )
            )
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"Training {run.pk}")
        if not options["no_wait"]:
            self._watch(run)

    def _watch(self, run: TrainingRun) -> None:
        said = ""
        while not run.is_finished:
            words = stage_words(run.stage)
            if words != said:
                self.stdout.write(words)
                said = words
            time.sleep(LOOK_EVERY_S)
            run = TrainingRun.objects.select_related("candidate").get(pk=run.pk)
        if run.status != TrainingRun.Status.DONE:
            raise CommandError(failure_words(run.failure_code) if run.failure_code else run.status)
        self.stdout.write(self.style.SUCCESS(f"Candidate: {run.candidate}"))


def _snapshot(beginning: str) -> Snapshot:
    found = list(Snapshot.objects.filter(sha256__startswith=beginning)[:2])
    if len(found) != 1:
        raise CommandError(f"{len(found) or 'No'} snapshots begin with {beginning}; name one.")
    return found[0]


def _datasets(names: list[str]) -> tuple[Dataset, ...]:
    found = {row.name: row for row in Dataset.objects.filter(name__in=names)}
    if missing := [name for name in names if name not in found]:
        raise CommandError(f"No data set is called {', '.join(missing)}.")
    return tuple(found[name] for name in names)
