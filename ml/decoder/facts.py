"""What the decoder returns, and within which limits it works."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

FILE_READ = 1
"""`ImageFacts.file["read"]`; rises when more is read, so that older facts can be told."""

MIN_SIDE = 1024
"""Shorter side that serving, training and the command line ask for: one decode feeds them all."""


@dataclass(frozen=True)
class ImageFacts:
    """What the file is, beside its pixels.

    Attributes:
        format: JPEG, MPO, PNG, WEBP, GIF, HEIC or AVIF.
        width: of the whole image after orientation; the pixels may be a reduced version of it.
        height: as width.
        mode: Pillow's name of the stored pixels, before conversion.
        frames: images in the file; only the first is judged.
        has_transparency: some pixel is not opaque; it was flattened on white.
        orientation: EXIF orientation that was applied, 1 to 8.
        trailing_bytes: bytes after the end of the image.
        icc: the file carries a colour profile.
        bits: per channel, as stored.
        metadata: a bounded part of EXIF and text chunks; text from the file, never trusted.
        file: what else it carries (`ml.decoder.carried`); bounded and untrusted like metadata.
    """

    format: str
    width: int
    height: int
    mode: str
    frames: int = 1
    has_transparency: bool = False
    orientation: int = 1
    trailing_bytes: int = 0
    icc: bool = False
    bits: int = 8
    metadata: dict[str, Any] = field(default_factory=dict)
    file: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decoded:
    """Pixels of shape (h, w, 3), uint8, sRGB, oriented, opaque; and the facts of their file."""

    pixels: np.ndarray
    facts: ImageFacts


@dataclass(frozen=True)
class DecoderLimits:
    """Bounds on one decode.

    Attributes:
        memory_bytes: address space, the decoder's own 0.2 GiB included.
        output_bytes: the most that a decode may write: 64 megapixels of RGB and the facts.
    """

    memory_bytes: int = 1536 << 20
    cpu_s: int = 8
    wall_s: float = 10.0
    output_bytes: int = 3 * 64_000_000 + (1 << 20)
    open_files: int = 16
