"""Perceptual hashes of pictures; how near two of them lie says `detection.likeness`."""

from pathlib import Path

import imagehash
import numpy as np
import PIL.Image

from detection import detector

# The longer side that a picture is reduced to first, whatever its size.
HASHED_SIDE = 320


def perceptual_hashes(pixels: np.ndarray) -> tuple[str, str]:
    """`imagehash.phash` of a picture and of its mirrored copy, 16 hex digits each.

    Equal or near for re-saved copies.
    """
    small = PIL.Image.fromarray(pixels)
    small.thumbnail((HASHED_SIDE, HASHED_SIDE), PIL.Image.Resampling.BOX)
    in_mirror = small.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    return str(imagehash.phash(small)), str(imagehash.phash(in_mirror))


def hashes_of_file(path: Path) -> tuple[str, str]:
    """The perceptual hashes of a file that is no stored original; nothing is kept of it.

    Raises:
        ml.errors.UnreadableImage, ml.errors.DecoderUnavailable: nothing to compare.
    """
    return perceptual_hashes(detector.decode_file(path).pixels)


def size_and_hashes(path: Path) -> tuple[tuple[int, int], tuple[str, str]]:
    """Width, height and perceptual hashes of a file that is no stored original.

    Raises:
        ml.errors.UnreadableImage, ml.errors.DecoderUnavailable: nothing to look at.
    """
    decoded = detector.decode_file(path)
    return (decoded.facts.width, decoded.facts.height), perceptual_hashes(decoded.pixels)
