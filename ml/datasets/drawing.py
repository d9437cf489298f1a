"""Batches of views, drawn here or ahead of time in processes of their own.

Two threads draw what two cores can learn from. A GPU learns faster than one interpreter draws.
"""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np

from ml.datasets.views import ViewPairs

# Batches that wait for the network, beyond one in the making in every process.
WAITING = 4


@dataclass(frozen=True)
class BatchPlan:
    """What one batch of an epoch holds.

    Attributes:
        seed: with the batch's place in the epoch, all that its draws depend on.
        n_pairs: of a real and a fake view each.
        showings: 2 where every view is followed by its copy.
        size: side of a view in pixels.
    """

    seed: Sequence[int]
    n_pairs: int
    showings: int
    size: int

    def draw(self, pairs: ViewPairs, at: int) -> np.ndarray:
        """The views of all pairs, then their copies in the same order, as bytes."""
        generator = np.random.default_rng([*self.seed, at])
        drawn = [pairs.draw(self.size, generator) for _ in range(self.n_pairs)]
        return np.stack(
            [view for at in range(self.showings) for pair in drawn for view in pair[2 * at :][:2]]
        )


class Drawers:
    """Processes that draw batches; none where the caller's own threads do."""

    def __init__(self, pairs: ViewPairs, processes: int) -> None:
        self.pairs, self.processes = pairs, processes
        self._pool = (
            # a forked process would hold locks of the threads that frameworks start
            ProcessPoolExecutor(
                processes,
                multiprocessing.get_context("spawn"),
                initializer=_begin,
                initargs=(pairs,),
            )
            if processes
            else None
        )

    def epoch(self, plan: BatchPlan, steps: int) -> "DrawnEpoch":
        """The batches of one epoch."""
        return DrawnEpoch(self, plan, steps)

    def submit(self, plan: BatchPlan, at: int) -> "Future[np.ndarray]":
        """Have one batch drawn."""
        if self._pool is not None:
            return self._pool.submit(_draw, plan, at)
        done: Future[np.ndarray] = Future()
        done.set_result(plan.draw(self.pairs, at))
        return done

    def close(self) -> None:
        """End the processes; what nobody took is dropped."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


class DrawnEpoch:
    """The batches of one epoch, a few of them ahead of the one that is asked for."""

    def __init__(self, drawers: Drawers, plan: BatchPlan, steps: int) -> None:
        self.drawers, self.plan, self.steps = drawers, plan, steps
        self._ahead = drawers.processes + WAITING if drawers.processes else 0
        self._drawn: dict[int, Future[np.ndarray]] = {}
        self._next = 0
        self._lock = Lock()

    def take(self, at: int) -> np.ndarray:
        """One batch; frameworks may ask for the first one again."""
        with self._lock:
            for place in range(self._next, min(at + self._ahead + 1, self.steps)):
                if place != at:
                    self._drawn[place] = self.drawers.submit(self.plan, place)
            self._next = max(self._next, min(at + self._ahead + 1, self.steps))
            waiting = self._drawn.pop(at, None)
        return (waiting or self.drawers.submit(self.plan, at)).result()


_pairs: ViewPairs


def _begin(pairs: ViewPairs) -> None:
    global _pairs  # one process draws for one run
    _pairs = pairs


def _draw(plan: BatchPlan, at: int) -> np.ndarray:
    return plan.draw(_pairs, at)
