"""The one limited decoder: hostile bytes in, plain pixels and facts out.

Image libraries run only in a separate process without secrets, files or network, and every image
in a fresh fork of it with limits on memory, processor time, output and wall time.
"""

from ml.decoder.credentials import CredentialReader
from ml.decoder.facts import FILE_READ, MIN_SIDE, Decoded, DecoderLimits, ImageFacts
from ml.decoder.libraries import check_libraries
from ml.decoder.process import Decoder

__all__ = [
    "FILE_READ",
    "MIN_SIDE",
    "CredentialReader",
    "Decoded",
    "Decoder",
    "DecoderLimits",
    "ImageFacts",
    "check_libraries",
]
