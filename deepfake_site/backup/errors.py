"""What stops a backup or a restore."""


class BackupError(Exception):
    """Nothing was written, or nothing was changed; the message says what to do."""
