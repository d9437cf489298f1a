"""Whose work comes next where many wait: round robin, as fair queueing has it.

A queue works in rounds, and each round has one row at most of everyone who waits. So a person who
sends one image waits for one image of each other, however many those have sent before. The round of
a row is written when it begins to wait and found by index when a worker is free.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import connections, models, transaction
from django.db.models import F, Index, Max, Q, UniqueConstraint
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from detection.models.leased import Leased, LeasedQuerySet

AnyInTurns = TypeVar("AnyInTurns", bound="InTurns")
# Of the rows that come next, so many are looked at: one is taken by a worker that meets others
# who want the same, and of one round first that of somebody for whom nothing is done at the moment.
LOOKED_AT = 16
PUT_OFF = timedelta(seconds=30)


class LastTurn(models.Model):
    """The last round that a person was given in a queue."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    queue = models.CharField(max_length=8)
    turn = models.BigIntegerField(default=-1)

    class Meta:
        constraints = [UniqueConstraint(fields=["owner", "queue"], name="one_last_turn")]
        indexes = [Index(fields=["queue", "turn"], name="last_turn_of_all")]

    def __str__(self) -> str:
        return f"{self.owner_id} {self.queue} {self.turn}"


class InTurnsQuerySet(LeasedQuerySet[AnyInTurns]):
    """Of a model that is `InTurns`."""

    def waiting_in(self, queue: str) -> Self:
        """Rows that wait in this queue.

        SQLite takes the indexes of those alone where the status stands in the statement itself.
        """
        return self.filter(status=RawSQL("'queued'", ()), queue=queue)

    def due(self) -> Self:
        """Without what was put off for now."""
        return self.filter(Q(lease_until=None) | Q(lease_until__lt=Now()))

    def next_turn(self, of: int, queue: str, *, rows: int = 1) -> int:
        """The first of so many rounds for rows of this person: after those that wait; or the round
        in progress, or the one after it where they had their turn in that.

        To be asked in the transaction that writes the rows, after it holds images, before it holds
        detections: another request of the same person waits here for its end.
        """
        last, waiting = _last_turn(of, queue), self.waiting_in(queue)
        own = waiting.filter(turn_of=of).order_by("-turn").values_list("turn", flat=True).first()
        if own is not None:
            first = own + 1
        else:
            in_progress = self._in_progress(queue)
            first = in_progress + 1 if last.turn >= in_progress else in_progress
        last.turn = first + rows - 1
        last.save(update_fields=["turn"])
        return first

    def _in_progress(self, queue: str) -> int:
        """The lowest round of what waits, which what was put off says last; else the last of
        those that are done with."""
        waiting = self.waiting_in(queue).order_by("turn").values_list("turn", flat=True)
        for rounds in (waiting.filter(lease_until=None), waiting):
            if (lowest := rounds.first()) is not None:
                return lowest
        given = LastTurn.objects.filter(queue=queue).aggregate(last=Max("turn"))
        return max(0, given["last"])

    def lease_next(self, rung_for: uuid.UUID | str, *, worker: str, **also: Any) -> Any:
        """Claim, for this worker, what comes next in the queue of the row that a doorbell names.

        There is a doorbell for every row, so it need not be the row that this one names: that one
        is found by another. First comes what a dead worker held, whose doorbell is used up.

        Returns: the key of the row; None where nothing is left to do.
        """
        queue = self.filter(pk=rung_for).values_list("queue", flat=True).first()
        if queue is None:
            return None
        while candidates := [*self._lost_in(queue), *self._next_in(queue)]:
            for pk in candidates:
                if self._lease_unless_held(pk, worker=worker, **also):
                    return pk
            if self.lease(candidates[0], worker=worker, **also):  # wait for whoever holds it
                return candidates[0]
        return None

    def _lease_unless_held(self, pk: Any, **fields: Any) -> bool:
        """As `lease`; False where another transaction has the row, which may go on for a while."""
        if not connections[self.db].features.has_select_for_update_skip_locked:
            return self.lease(pk, **fields)
        with transaction.atomic():
            row = self.filter(pk=pk).select_for_update(skip_locked=True, no_key=True)
            return row.exists() and self.lease(pk, **fields)

    def _lost_in(self, queue: str) -> Sequence[Any]:
        running = self.claimable().filter(status=Leased.Status.RUNNING, queue=queue)
        return list(running.order_by("lease_until").values_list("pk", flat=True)[:LOOKED_AT])

    def _next_in(self, queue: str) -> Sequence[Any]:
        waiting = self.waiting_in(queue).due().filter(attempt__lt=F("attempt_limit"))
        following = waiting.order_by("turn", "queued_at").values_list("pk", "turn", "turn_of")
        rows = list(following[:LOOKED_AT])
        if len({whose for _pk, _turn, whose in rows}) > 1:
            running = self.open_work().filter(status=Leased.Status.RUNNING, queue=queue)
            served = set(running.values_list("turn_of", flat=True))
            rows.sort(key=lambda row: (row[1], row[2] in served))
        return [pk for pk, _turn, _whose in rows]


def _last_turn(of: int, queue: str) -> LastTurn:
    """What a person was given last, held until the transaction ends."""
    held = LastTurn.objects.select_for_update().filter(owner=of, queue=queue)
    if (row := held.first()) is not None:
        return row
    LastTurn.objects.bulk_create([LastTurn(owner_id=of, queue=queue)], ignore_conflicts=True)
    return held.get()


def indexes_of_turns(name: str) -> list[Index]:
    """What the questions above are answered by, of a model of this name."""
    waits = Q(status="queued")
    return [
        Index(fields=["queue", "turn", "queued_at"], condition=waits, name=f"{name}_turns"),
        Index(fields=["queue", "turn_of", "turn"], condition=waits, name=f"{name}_turns_of"),
    ]


class InTurns(Leased):
    """Work of which each person has a row a round; to be indexed by `indexes_of_turns`."""

    queue: "models.CharField[str, str]"
    turn = models.BigIntegerField(default=0, db_default=0, editable=False)
    # Whose turn it is. Nobody's: what a release before this one queued, which comes first.
    turn_of = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        null=True,
        editable=False,
        db_index=False,
    )

    class Meta:
        abstract = True

    def release(self, **fields: Any) -> bool:
        """Give the row back for another attempt, when others have had their turn."""
        with transaction.atomic():
            return super().release(**self._later(), **fields)

    def put_off(self) -> bool:
        """Give the row back, as an attempt that was none; nobody takes it for half a minute."""
        with transaction.atomic():
            return self.hand_on(**self._later(), lease_until=Now() + PUT_OFF)

    def _later(self) -> dict[str, int]:
        """The turn of a row that had one and comes to nothing."""
        if self.turn_of_id is None:
            return {}
        rows: InTurnsQuerySet[Self] = InTurnsQuerySet(type(self))
        return {"turn": rows.next_turn(self.turn_of_id, self.queue)}
