"""Where this installation keeps its data, and where its sockets live while it runs."""

import hashlib
import os
import tempfile
from pathlib import Path

from deepfake_site.env import env_str

PROJECT_DIR = Path(__file__).resolve().parent.parent


def data_dir() -> Path:
    """Folder of all that must outlive a restart; UNMASK_DATA, else `data/` in the project."""
    return Path(env_str("UNMASK_DATA") or PROJECT_DIR / "data").expanduser().resolve()


def runtime_dir() -> Path:
    """Short folder for sockets: a socket's path may not exceed 107 bytes, a data folder's may."""
    name = hashlib.sha256(str(data_dir()).encode()).hexdigest()[:10]
    return Path(tempfile.gettempdir()) / f"unmask-{os.getuid()}-{name}"


def make_private(folder: Path) -> None:
    """Make a folder that nobody else reads, if it is not there.

    Raises:
        PermissionError: somebody else made it before, as anybody may in a shared /tmp.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else; remove it or set TMPDIR.")
