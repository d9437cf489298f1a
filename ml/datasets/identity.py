"""Which files show the same picture, so that copies of one never land in two splits."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

HASH_SIDE = 16
# Of 256 bits. Re-saved and resized copies of drawn and photographed test pictures stay within
# 12; different ones start above 40.
MAX_DISTANCE = 14


def difference_hash(pixels: np.ndarray) -> np.ndarray:
    """Which cell of a 16 by 16 grid is brighter than its left neighbour, 256 bits as 32 bytes."""
    grey = Image.fromarray(pixels).convert("L")
    small = grey.resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX)
    cells = np.asarray(small, dtype=np.int16)
    return np.packbits(cells[:, 1:] > cells[:, :-1])


def same_picture_groups(hashes: Sequence[np.ndarray]) -> list[int]:
    """A group number per hash; hashes within `MAX_DISTANCE` bits, or linked by others, share it."""
    table = np.stack(hashes)
    group = np.arange(len(table))
    for at in range(1, len(table)):
        distance = np.bitwise_count(table[:at] ^ table[at]).sum(axis=1)
        near = group[:at][distance <= MAX_DISTANCE]
        if near.size:
            lowest = near.min()
            group[: at + 1][np.isin(group[: at + 1], [*near, at])] = lowest
    return [int(number) for number in group]
