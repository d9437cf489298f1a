"""Near copies among many pictures: what the bands find is what comparing all pairs finds."""

import random

from detection import likeness
from detection.near_pictures import Hashed, Together, near_among, near_pairs


def _hashes(count: int, seed: int = 1) -> list[str]:
    draw = random.Random(seed)
    fresh = [draw.getrandbits(64) for _ in range(count)]
    for at in range(0, count, 3):  # and copies of the one before, 0 to 6 bits away
        flips = sum(1 << bit for bit in draw.sample(range(64), at % 7))
        fresh[at] = fresh[at - 1] ^ flips
    return [f"{value:016x}" for value in fresh]


def test_it_finds_what_comparing_all_pairs_finds():
    hashes = _hashes(400)
    every = {
        (one, other)
        for one in range(400)
        for other in range(one + 1, 400)
        if likeness.distance(hashes[one], hashes[other]) <= likeness.NEAR_DISTANCE
    }
    assert len(every) > 50
    assert near_among([Hashed(one) for one in hashes]) == every


def test_blocks_change_nothing(monkeypatch):
    pictures = [Hashed(one) for one in _hashes(300)]
    whole = near_among(pictures)
    monkeypatch.setattr("detection.near_pictures.BLOCK", 7)
    assert near_among(pictures) == whole


def test_a_mirrored_copy_is_near():
    upright, mirrored = _hashes(2, seed=5)
    assert near_pairs([Hashed(mirrored, upright)], [Hashed(upright, mirrored)]) == {(0, 0)}


def test_pictures_of_one_colour_are_near_to_nothing():
    plain = Hashed("8000000000000000")
    assert near_among([plain, plain]) == set()
    assert near_pairs([plain], []) == set()
    assert near_pairs([], [plain]) == set()


def test_the_first_stands_for_what_is_joined_through_others():
    groups = Together(5)
    groups.join(4, 2)
    groups.join(2, 1)
    assert [groups.first_of(at) for at in range(5)] == [0, 1, 1, 3, 1]
