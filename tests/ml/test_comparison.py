"""Two networks on the same images: figures of both, their difference, what the gate says."""

import json

import numpy as np
import pytest

from ml import metrics
from ml.comparison import Answer, Compared, compare
from ml.release import LEAST_REALS, obstacles

FAKE, REAL, UNSURE = "likely_manipulated", "likely_authentic", "inconclusive"


def answer(verdict: str, probability: float | None = None) -> Answer:
    stated = {FAKE: 0.95, REAL: 0.05, UNSURE: 0.5}[verdict] if probability is None else probability
    return Answer(verdict, stated, stated)


def image(
    label: int, before: str, after: str, *, source: str = "drawn", group: str = "", **cells: tuple
) -> Compared:
    pairs = {"clean": (before, after), **cells}
    said = {cell: (answer(a), answer(b)) for cell, (a, b) in pairs.items()}
    image.count += 1
    return Compared(label, source, group or str(image.count), said, (10.0, 20.0))


image.count = 0


def right(n: int, **options) -> list[Compared]:
    """So many reals and so many fakes, which both judge rightly."""
    made = [image(0, REAL, REAL, **options) for _ in range(n)]
    return [*made, *(image(1, FAKE, FAKE, **options) for _ in range(n))]


def codes(images: list[Compared], **more) -> list[str]:
    return [one["code"] for one in obstacles({**compare(images), **more})]


def test_figures_are_counted_by_hand():
    rows = [
        image(0, REAL, FAKE),
        image(0, REAL, REAL),
        image(1, FAKE, UNSURE),
        image(1, REAL, FAKE),
    ]
    figures = compare(rows)["sources"]["all"]["figures"]
    shown = {name: (row["before"], row["after"], row["n"]) for name, row in figures.items()}
    assert shown["right"] == (0.75, 0.5, 4)
    assert shown["wrong"] == (0.25, 0.25, 4)
    assert shown["coverage"] == (1.0, 0.75, 4)
    assert shown["false_accusations"] == (0.0, 0.5, 2)
    assert shown["fakes_missed"] == (0.5, 0.0, 2)
    assert shown["decided_error"] == (0.25, 0.3333, 4)


def test_ranking_and_calibration_are_those_of_the_metrics():
    generator = np.random.default_rng(3)
    label = generator.integers(0, 2, 60)
    stated = np.round(np.clip(0.4 * label + generator.random(60) * 0.6, 0, 1), 2)
    rows = [
        Compared(
            int(y), "drawn", str(at), {"clean": (answer(UNSURE, p), answer(UNSURE, 1 - p))}, (1, 1)
        )
        for at, (y, p) in enumerate(zip(label, stated, strict=True))
    ]
    figures = compare(rows)["sources"]["all"]["figures"]
    assert figures["auc"]["before"] == pytest.approx(metrics.auc(label, stated).value, abs=1e-4)
    assert figures["auc"]["after"] == pytest.approx(metrics.auc(label, 1 - stated).value, abs=1e-4)
    assert figures["calibration_error"]["before"] == pytest.approx(
        metrics.calibration_error(stated, label), abs=1e-4
    )


def test_the_interval_covers_the_difference_and_is_narrower_with_more_images():
    few = compare([image(1, FAKE, REAL), *right(10)])["sources"]["all"]["figures"]["right"]
    many = compare([*(image(1, FAKE, REAL) for _ in range(10)), *right(100)])
    many = many["sources"]["all"]["figures"]["right"]
    for row in (few, many):
        assert row["low"] <= row["difference"] <= row["high"]
    assert many["high"] - many["low"] < few["high"] - few["low"]


def test_copies_of_one_original_count_as_one():
    """Ten copies of one picture that changed say less than ten pictures that did."""
    copies = [image(1, FAKE, REAL, group="one") for _ in range(10)]
    apart = [image(1, FAKE, REAL) for _ in range(10)]
    widths = []
    for changed in (copies, apart):
        row = compare([*changed, *right(50)])["sources"]["all"]["figures"]["right"]
        widths.append(row["high"] - row["low"])
    assert widths[0] > widths[1]


def test_no_difference_at_all_is_bounded_by_the_rule_of_three():
    row = compare(right(50))["sources"]["all"]["figures"]["false_accusations"]
    assert (row["difference"], row["low"], row["high"]) == (0.0, -0.06, 0.06)


def test_copies_that_turn_are_counted_for_both():
    rows = [
        image(0, REAL, REAL, jpeg_70=(FAKE, UNSURE)),
        image(0, REAL, REAL, jpeg_70=(REAL, REAL)),
    ]
    copies = compare(rows)["copies"]
    assert (copies["any_changed"]["before"], copies["any_changed"]["after"]) == (0.5, 0.5)
    assert (copies["any_reversed"]["before"], copies["any_reversed"]["after"]) == (0.5, 0.0)


def test_reals_through_an_autoencoder_are_shown_beside_the_pool():
    found = compare([*right(5), image(1, FAKE, REAL, source="autoencoder")])
    assert found["sources"]["all"]["n"] == 10
    assert found["sources"]["autoencoder"]["n"] == 1


def test_it_is_json_and_the_same_each_time():
    rows = [*right(4), image(1, UNSURE, FAKE, webp_80=(UNSURE, FAKE))]
    assert json.dumps(compare(rows), allow_nan=False) == json.dumps(compare(rows))


def test_speed_is_the_mean_with_its_spread():
    assert compare(right(3))["speed"] == {
        "n": 6,
        "before": 10.0,
        "before_sd": 0.0,
        "after": 20.0,
        "after_sd": 0.0,
    }


# --- the gate


def test_an_equal_model_on_enough_images_may_follow():
    assert codes(right(LEAST_REALS)) == []


def test_too_few_reals_is_an_obstacle_and_no_pass():
    [one] = obstacles(compare(right(LEAST_REALS - 1)))
    assert (one["code"], one["n"], one["needed"]) == ("not_enough_to_tell", 149, 150)


def test_no_images_is_an_obstacle():
    assert codes([]) == ["not_enough_to_tell"]


def test_a_source_of_a_few_images_cannot_be_told():
    [one] = obstacles(compare([*right(LEAST_REALS), *right(3, source="rare")]))
    assert (one["code"], one["source"], one["n"]) == ("not_enough_to_tell", "rare", 6)


def test_a_source_that_fell_beyond_its_interval_is_named():
    worse = [image(1, FAKE, UNSURE, source="swaps") for _ in range(40)]
    found = obstacles(compare([*right(LEAST_REALS), *right(40, source="swaps"), *worse]))
    assert ("source_worse", "swaps", "right") in {
        (one["code"], one.get("source"), one.get("figure")) for one in found
    }


def test_one_image_judged_worse_is_within_the_interval():
    assert codes([*right(LEAST_REALS), image(1, FAKE, UNSURE)]) == []


def test_more_accused_reals_are_an_obstacle():
    accused = [image(0, REAL, FAKE) for _ in range(8)]
    assert "more_accusations" in codes([*right(LEAST_REALS), *accused])


def test_reals_accused_once_re_saved_are_an_obstacle():
    rows = [image(0, REAL, REAL, jpeg_70=(REAL, FAKE if n < 10 else REAL)) for n in range(200)]
    found = obstacles(compare(rows))
    assert {"more_accusations"} <= {one["code"] for one in found if one.get("damage") == "jpeg_70"}


def test_fewer_accused_reals_may_follow():
    pair = {"clean": (answer(FAKE, 0.5), answer(REAL, 0.5))}
    cleared = [Compared(0, "drawn", f"c{at}", pair, (1.0, 1.0)) for at in range(8)]
    assert codes([*right(LEAST_REALS), *cleared]) == []


def test_probabilities_that_hold_less_are_an_obstacle():
    def row(at: int) -> Compared:
        pair = (answer(FAKE, 0.99), answer(FAKE, 0.75))
        return Compared(1, "drawn", f"c{at}", {"clean": pair}, (1.0, 1.0))

    assert "worse_calibrated" in codes([*right(LEAST_REALS), *map(row, range(200))])


def test_golden_images_and_scores_are_obstacles():
    golden = {"n": 4, "wrong_before": 0, "wrong_after": 1}
    assert codes(right(LEAST_REALS), golden=golden) == ["golden_worse"]
    assert codes(right(LEAST_REALS), moved=["golden picture 3 …"]) == ["golden_scores_moved"]


@pytest.mark.parametrize("slope", [-0.7, 0.0])
def test_a_score_that_calibration_turns_around_shuts_the_gate(slope):
    assert codes(right(LEAST_REALS), slope=slope) == ["upside_down"]
    assert codes(right(LEAST_REALS), slope=0.7) == []


def test_frames_of_a_few_originals_say_as_little_as_the_few():
    frames = [one for at in range(10) for one in right(LEAST_REALS // 10, group=f"video {at}")]
    figure = compare(frames)["sources"]["all"]["figures"]["false_accusations"]
    assert (figure["n"], figure["low"], figure["high"]) == (LEAST_REALS, -0.3, 0.3)
    assert set(codes(frames)) == {"not_enough_to_tell"}
