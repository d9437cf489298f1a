"""Whose work comes next where many wait: round robin, as fair queueing has it.

A queue works in rounds, and each round has one row at most of everyone who waits. So a person who
sends one image waits for one image of each other, however many those have sent before. The round of
a row is written when it begins to wait and found by index when a worker is free; nothing is kept of
those who do not wait.
"""

import uuid
from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import F, Index, Q
from django.db.models.expressions import RawSQL

from detection.models.leased import Leased, LeasedQuerySet

AnyInTurns = TypeVar("AnyInTurns", bound="InTurns")
# Of the rows that come next, so many are looked at. One of them is taken by a worker that meets
# others who want the same; of one round, first that of somebody for whom nothing is done yet.
LOOKED_AT = 16


class InTurnsQuerySet(LeasedQuerySet[AnyInTurns]):
    """Of a model that is `InTurns`."""

    def waiting_in(self, queue: str) -> Self:
        """Rows that wait in this queue.

        SQLite takes the indexes of those alone where the status stands in the statement itself.
        """
        return self.filter(status=RawSQL("'queued'", ()), queue=queue)

    def next_turn(self, of: int, queue: str) -> int:
        """The round for another row of this person: the one in progress, or after their last.

        Two requests at once may be given the same one, which costs nobody more than a row.
        """
        waiting = self.waiting_in(queue)
        last = waiting.filter(turn_of=of).order_by("-turn").values_list("turn", flat=True).first()
        if last is not None:
            return last + 1
        return waiting.order_by("turn").values_list("turn", flat=True).first() or 0

    def lease_next(self, rung_for: uuid.UUID | str, *, worker: str, **also: Any) -> Any:
        """Claim, for this worker, what comes next in the queue that a doorbell was rung in.

        There is a doorbell for every row, so it need not be the row that this one names: that one
        is found by another. A lease that ran out is nobody's turn; it is taken by its own doorbell.

        Returns: the key of the row; None where nothing is left to do.
        """
        found = self.filter(pk=rung_for).values_list("queue", "status").first()
        if found is None:
            return None
        queue, status = found
        if status == Leased.Status.RUNNING and self.lease(rung_for, worker=worker, **also):
            return rung_for
        while candidates := self._candidates(queue):
            for pk in candidates:
                if self.lease(pk, worker=worker, **also):
                    return pk
        return None

    def _candidates(self, queue: str) -> list[Any]:
        waiting = self.waiting_in(queue).filter(attempt__lt=F("attempt_limit"))
        rows = list(
            waiting.order_by("turn", "queued_at").values_list("pk", "turn", "turn_of")[:LOOKED_AT]
        )
        if len({whose for _pk, _turn, whose in rows}) > 1:
            running = self.open_work().filter(status=Leased.Status.RUNNING, queue=queue)
            served = set(running.values_list("turn_of", flat=True))
            rows.sort(key=lambda row: (row[1], row[2] in served))
        return [pk for pk, _turn, _whose in rows]


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
        """Give the row back for another attempt, when its owner's other rows have had theirs."""
        return super().release(**self._last_turn(), **fields)

    def hand_on(self, **fields: Any) -> bool:
        """End one slice of a long work; the next waits for its owner's other rows."""
        return super().hand_on(**self._last_turn(), **fields)

    def _last_turn(self) -> dict[str, int]:
        if self.turn_of_id is None:
            return {}
        rows: InTurnsQuerySet[Self] = InTurnsQuerySet(type(self))
        return {"turn": rows.next_turn(self.turn_of_id, self.queue)}
