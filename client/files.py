"""Which files a command line means, and how they are read."""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO, cast

from ml.header import format_of

STDIN = Path("-")
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".mpo", ".png", ".webp", ".gif", ".heic", ".heif", ".hif", ".avif"}
)


def find(paths: Sequence[Path]) -> list[Path]:
    """Files to judge: whatever is named, and in folders what looks like an image, sorted."""
    return [file for path in paths for file in (_walk(path) if path.is_dir() else [path])]


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and looks_like_image(path):
                yield path


def looks_like_image(path: Path) -> bool:
    """By its ending or, for want of one, by its first bytes."""
    if not path.is_file():
        return False
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return format_of(file.read(32)) is not None
    except OSError:
        return False  # unreadable and not named as an image: not ours to complain about


@contextmanager
def on_disk(path: Path) -> Iterator[Path]:
    """The path itself, or standard input as a file that is gone afterwards."""
    if path != STDIN:
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="unmask-") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield Path(file.name)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A stream that can be rewound, of a pipe or standard input too: then a file without a name."""
    with ExitStack() as stack:
        stream = sys.stdin.buffer if path == STDIN else stack.enter_context(path.open("rb"))
        if path == STDIN or not stream.seekable():
            copy = stack.enter_context(tempfile.TemporaryFile(prefix="unmask-"))
            shutil.copyfileobj(stream, copy)
            copy.seek(0)
            stream = cast(BinaryIO, copy)
        yield stream


def digest(stream: BinaryIO) -> str:
    """The SHA-256 of a stream, which is back at its beginning afterwards."""
    stream.seek(0)
    sha256 = hashlib.file_digest(cast(BufferedIOBase, stream), "sha256").hexdigest()
    stream.seek(0)
    return sha256


def size_of(stream: BinaryIO) -> int:
    """Bytes in a stream, which is back at its beginning afterwards."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size


def transferable(name: str) -> str:
    """A file name as text that every encoding of a request can carry."""
    return name.encode(errors="replace").decode() or "-"
