"""What must exist before Django can load its settings for the first time."""

import os
import secrets

from deepfake_site.env import env_str
from deepfake_site.paths import data_dir


def ensure_secret_key() -> None:
    """Write a fresh secret key into the data folder unless one is already given or kept there."""
    if env_str("SECRET_KEY") or env_str("SECRET_KEY_FILE"):
        return
    folder = data_dir()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(folder / "secret_key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(64) + "\n")
