"""Batches are the same whoever draws them, and come in order."""

import numpy as np
import pytest

from ml.datasets.drawing import BatchPlan, Drawers
from ml.datasets.recipe import CopyRecipe, ViewRecipe
from ml.datasets.views import ViewPairs
from tests.images import photo_like
from tests.ml.tiny import Drawn, store_of

PLAN = BatchPlan(seed=(1, 0), n_pairs=3, showings=2, size=32)
STEPS = 12


@pytest.fixture(scope="module")
def pairs() -> ViewPairs:
    pictures = [Drawn(np.asarray(photo_like(90, 80, at)), at % 2, "drawn") for at in range(6)]
    return ViewPairs(ViewRecipe(copy=CopyRecipe()), *store_of(pictures))


@pytest.fixture(scope="module")
def batches(pairs) -> list[np.ndarray]:
    drawn = Drawers(pairs, 0).epoch(PLAN, STEPS)
    return [drawn.take(at) for at in range(STEPS)]


def test_a_batch_holds_all_views_and_then_their_copies(pairs, batches):
    assert batches[0].shape == (2 * 2 * PLAN.n_pairs, 32, 32, 3)
    assert batches[0].dtype == np.uint8
    [first] = [pairs.draw(32, np.random.default_rng([1, 0, 0]))]
    real, fake, real_copy, fake_copy = first
    for place, view in ((0, real), (1, fake), (6, real_copy), (7, fake_copy)):
        np.testing.assert_array_equal(batches[0][place], view)


@pytest.mark.slow
def test_processes_draw_the_batches_that_threads_draw(pairs, batches):
    drawers = Drawers(pairs, 2)
    drawn = drawers.epoch(PLAN, STEPS)
    # a framework looks at the first batch before it begins
    for at in (0, *range(STEPS)):
        np.testing.assert_array_equal(drawn.take(at), batches[at])
    drawers.close()


@pytest.mark.slow
def test_what_goes_wrong_in_a_process_ends_the_run(pairs):
    drawers = Drawers(pairs, 1)
    with pytest.raises(ValueError, match="at least one array"):
        drawers.epoch(BatchPlan((1, 0), 0, 1, 32), STEPS).take(0)
    drawers.close()


def test_no_batch_beyond_the_epoch_is_drawn(pairs, monkeypatch):
    asked = []
    drawers = Drawers(pairs, 0)
    drawers.processes = 3
    submit = drawers.submit
    monkeypatch.setattr(drawers, "submit", lambda plan, at: asked.append(at) or submit(plan, at))
    drawn = drawers.epoch(PLAN, STEPS)
    for at in range(STEPS):
        drawn.take(at)
    assert sorted(asked) == list(range(STEPS))
