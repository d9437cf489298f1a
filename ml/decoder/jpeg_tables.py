"""The quantisation tables of a JPEG: how strongly it was compressed, and by whose tables.

The tables of ISO 10918-1 annex K, scaled as the Independent JPEG Group's library does, are those of
most programs that save pictures; cameras and Photoshop bring their own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_LUMINANCE = """
16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101
72 92 95 98 112 100 103 99
"""
_CHROMINANCE = """
17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99
"""
_QUALITIES = np.arange(1, 101)


def _scaled(table: str) -> np.ndarray:
    """The table at each quality from 1 to 100, shape (100, 64)."""
    base = np.array(table.split(), dtype=int)
    percent = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)
    return np.clip((base * percent[:, None] + 50) // 100, 1, 255)


_STANDARD = (_scaled(_LUMINANCE), _scaled(_CHROMINANCE))


def read(tables: Mapping[int, Sequence[int]]) -> dict[str, Any]:
    """`quality`, 1 to 100, and `tables`: standard, or other where the quality is a likeness."""
    found = [np.asarray(tables[key]) for key in sorted(tables)[:2] if len(tables[key]) == 64]
    if not found:
        return {}
    off = np.abs(_STANDARD[0] - found[0]).mean(axis=1)
    for mine, standard in zip(found[1:], _STANDARD[1:], strict=False):
        off = off + np.abs(standard - mine).mean(axis=1)
    best = int(off.argmin())
    return {
        "quality": int(_QUALITIES[best]),
        "tables": "standard" if off[best] == 0 else "other",
    }
