"""The desk's own settings, with faults that a test may arm inside its processes."""

from deepfake_site.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.apps.Faults"]  # noqa: F405
