#!/usr/bin/env python
"""Django's command line for Unmask; `manage.py up` starts a whole installation."""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepfake_site.settings")
    if sys.argv[1:2] in (["up"], ["restore"]):
        from deepfake_site.first_start import ensure_secret_key

        ensure_secret_key()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
