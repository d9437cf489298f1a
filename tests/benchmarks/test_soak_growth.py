"""benchmarks/soak_growth.py: what grows is told from what only moves."""

from typing import Any

import numpy as np
import pytest

from benchmarks.soak_growth import Generation, generations, slope


def a_sample(done: int, *processes: tuple[str, int, float, float]) -> dict[str, Any]:
    """Processes as (role, pid, started, RSS)."""
    return {
        "done": done,
        "processes": [
            {"role": role, "pid": pid, "started": at, "rss": rss, "uss": 1, "fds": 9, "threads": 1}
            for role, pid, at, rss in processes
        ],
    }


def test_what_grows_by_three_for_each_hundred_is_found_in_noise():
    x = np.arange(0, 8000, 10)
    noise = np.random.default_rng(1).normal(0, 5, len(x))
    found = slope(list(x), list(50 + 0.03 * x + noise))
    assert found is not None
    assert found.per_100 == pytest.approx(3, abs=0.1)
    assert found.low < 3 < found.high
    assert found.high - found.low < 0.2


def test_what_only_moves_has_an_interval_around_nothing():
    """Memory that walks up and down and comes back: samples that know of each other."""
    x = np.arange(0, 8000, 10)
    found = slope(list(x), list(300 + 20 * np.sin(x / 500)))
    assert found is not None
    assert found.low < 0 < found.high


def test_what_stands_still_has_a_slope_of_nothing():
    found = slope(list(range(100)), [7.0] * 100)
    assert found is not None
    assert (found.low, found.per_100, found.high) == (0, 0, 0)


@pytest.mark.parametrize("x", [[], list(range(39)), [5] * 100])
def test_too_little_gives_no_slope(x):
    assert slope(x, [1.0] * len(x)) is None


def test_a_pid_that_is_used_again_is_another_generation():
    """Else what a fresh process holds less would hide what the old one gained."""
    lives = generations(
        [
            a_sample(0, ("worker", 7, 1.0, 100)),
            a_sample(100, ("worker", 7, 1.0, 200), ("web", 8, 1.0, 50)),
            a_sample(200, ("worker", 7, 2.0, 100), ("web", 8, 1.0, 50)),
        ]
    )
    assert [(one.role, one.done, one.values["rss"]) for one in lives] == [
        ("worker", [0, 100], [100, 200]),
        ("web", [100, 200], [50, 50]),
        ("worker", [200], [100]),
    ]


def grown() -> Generation:
    """Started when 900 had ended; it grew for 500 detections and then no more."""
    samples = [a_sample(n, ("worker", 7, 1.0, min(n, 1400))) for n in range(900, 2000, 5)]
    return generations(samples)[0]


def test_warming_up_is_counted_from_the_process_own_first_detection():
    warm = grown().warm(500)
    assert (warm.done[0], warm.values["rss"][0]) == (1400, 1400)
    found = warm.slope("rss")
    assert found is not None
    assert found.per_100 == 0


def test_before_it_is_warm_it_grew():
    found = grown().slope("rss")
    assert found is not None
    assert found.low > 0


def test_a_life_shorter_than_the_warm_up_has_nothing_to_fit():
    warm = grown().warm(5000)
    assert (warm.done, warm.slope("rss")) == ([], None)


def test_gained_compares_the_last_quarter_with_the_first():
    life = Generation("web", 1.0, list(range(8)))
    life.values["fds"] = [10, 12, 99, 13, 14, 15, 20, 22]
    assert life.gained("fds") == 10


def test_near_gives_the_sample_next_to_it():
    life = Generation("web", 1.0, [0, 90, 210])
    life.values["rss"] = [1, 2, 3]
    assert (life.near(100, "rss"), life.near(1000, "rss")) == (2, 3)
