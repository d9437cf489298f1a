"""Whether a JPEG was saved before, from the histogram of its block coefficients.

Saving rounds each coefficient of an 8 × 8 block to a multiple of a step q1; saving again rounds the
result to multiples of q2, the step the file states. Rounded twice, a histogram gets periodic gaps
and peaks that one rounding cannot make. For each of the slowest frequencies the observed histogram
h is held against histograms predicted from the same picture cut by four pixels, which no longer
shows the last rounding (calibration), rounded by q2 alone and by each q1 and then q2:

    D(p) = Σ (h - p)² / (h + p) over the bins but zero,   R = D(once) / min over q1 of D(twice)

A frequency speaks for an earlier saving when R ≥ VOTE. The answer is "yes" when at least MOST_SURE
of the frequencies that could be judged do so, "no" when at most LEAST_SURE do, else "unknown"; also
where pixels no longer sit on multiples of q2, because a colour profile was applied.

Source: J. Lukáš and J. Fridrich, "Estimation of Primary Quantization Matrix in Double Compressed
JPEG Images", DFRWS 2003; A. C. Popescu and H. Farid, "Statistical Tools for Digital Forensics", IH
2004.
"""

from dataclasses import dataclass

import numpy as np

from detection.evidence.layer import luminance
from detection.evidence.quantisation import quality_of, standard_table

# Slow frequencies (row, column), which have enough coefficients that are not zero.
FREQUENCIES = ((0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0))
MOST_BLOCKS = 30_000
LEAST_COEFFICIENTS = 600
BINS = 20  # multiples of the step on each side of zero
LARGEST_STEP = 60
# Pixels are whole numbers: between two savings each coefficient moves by about this much.
ROUNDING = 0.4
VOTE, MOST_SURE, LEAST_SURE, LEAST_JUDGED = 3.0, 0.6, 0.2, 3
# Mean distance to the next multiple, in steps, for steps of at least 4: chance gives 0.25.
STILL_ON_MULTIPLES = 0.14


@dataclass(frozen=True)
class History:
    """What the histograms say.

    Attributes:
        was_saved_before: "yes", "no" or "unknown".
        quality: of the file's own table, where it is a standard one.
        earlier_quality: that fits the earlier steps found; None where none fits well.
        judged, votes: frequencies that could be judged, and those that speak for two savings.
    """

    was_saved_before: str
    quality: int | None
    earlier_quality: int | None
    judged: int
    votes: int


def read_history(pixels: np.ndarray, table: np.ndarray) -> History:
    """Judge the whole picture; pixels and table as the file has them, before orientation."""
    quality = quality_of(table)
    blocks, cut = _blocks(pixels), _blocks(pixels[4:, 4:])
    if not len(blocks) or not len(cut) or not _on_multiples(blocks, table):
        return History("unknown", quality, None, 0, 0)
    found = [_earlier_step(blocks, cut, at, int(table[at])) for at in FREQUENCIES]
    judged = [step for step in found if step is not None]
    votes = {at: step for at, step in zip(FREQUENCIES, found, strict=True) if step}
    answer = _answer(len(judged), len(votes))
    earlier = _earlier_quality(votes) if answer == "yes" else None
    return History(answer, quality, earlier, len(judged), len(votes))


def _answer(judged: int, votes: int) -> str:
    if judged < LEAST_JUDGED:
        return "unknown"
    if votes >= max(MOST_SURE * judged, 2):
        return "yes"
    return "no" if votes <= LEAST_SURE * judged else "unknown"


def _blocks(pixels: np.ndarray) -> np.ndarray:
    """Coefficients (n, 8, 8) of blocks spread over the picture, without those that are clipped."""
    down, right = pixels.shape[0] // 8, pixels.shape[1] // 8
    every = max(1, down * right // MOST_BLOCKS)
    chosen = np.arange(0, down * right, every)
    rows, columns = np.divmod(chosen, max(right, 1))
    tiles = pixels[: down * 8, : right * 8].reshape(down, 8, right, 8, 3)[rows, :, columns]
    flat = tiles.reshape(len(tiles), 8 * 8 * 3)
    kept = tiles[(flat.min(axis=1) > 0) & (flat.max(axis=1) < 255)]
    return dct_basis() @ (luminance(kept) - 128) @ dct_basis().T


def dct_basis() -> np.ndarray:
    """Rows are the eight waves of the orthonormal DCT-II."""
    k, x = np.mgrid[:8, :8]
    waves = np.cos((2 * x + 1) * k * np.pi / 16) / 2
    waves[0] /= np.sqrt(2)
    return waves.astype(np.float32)


def _on_multiples(blocks: np.ndarray, table: np.ndarray) -> bool:
    """Whether the coefficients still sit where the last saving put them."""
    wide = [at for at in FREQUENCIES if table[at] >= 4]
    if not wide:
        return True  # steps too fine to tell
    steps = [blocks[:, y, x] / table[y, x] for y, x in wide]
    return float(np.mean([np.abs(c - np.rint(c)).mean() for c in steps])) <= STILL_ON_MULTIPLES


def _earlier_step(
    blocks: np.ndarray, cut: np.ndarray, at: tuple[int, int], last: int
) -> int | None:
    """Step of an earlier saving at one frequency; 0: no sign of one, None: not to be judged."""
    seen, free = blocks[:, at[0], at[1]], cut[:, at[0], at[1]]
    observed = _histogram(seen / last)
    if observed.sum() * len(seen) < LEAST_COEFFICIENTS:
        return None
    noise = np.random.default_rng(0).normal(0, ROUNDING, len(free)).astype(np.float32)
    once = _distance(observed, _histogram(free / last))
    steps = [step for step in range(2, LARGEST_STEP + 1) if step != last]
    twice = [
        _distance(observed, _histogram((step * np.rint(free / step) + noise) / last))
        for step in steps
    ]
    best = int(np.argmin(twice))
    return steps[best] if once / max(twice[best], 1e-6) >= VOTE else 0


def _histogram(multiples: np.ndarray) -> np.ndarray:
    """Share of each multiple but zero, shape (2 · BINS,)."""
    whole = np.rint(multiples).astype(np.int64)
    inside = whole[np.abs(whole) <= BINS]
    counts = np.bincount(inside + BINS, minlength=2 * BINS + 1) / len(multiples)
    return np.delete(counts, BINS)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(((one - other) ** 2 / np.maximum(one + other, 1e-9)).sum())


def _earlier_quality(votes: dict[tuple[int, int], int]) -> int | None:
    """The quality whose standard table fits the steps found; None where it misses by more."""
    misses = {
        quality: np.mean([abs(standard_table(quality)[at] - step) for at, step in votes.items()])
        for quality in range(30, 100)
    }
    best = min(misses, key=lambda quality: misses[quality])
    return best if misses[best] <= 0.5 else None
