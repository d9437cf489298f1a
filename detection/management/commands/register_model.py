"""manage.py register_model: enter an artifact into the registry."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from detection import detector
from detection.models import ModelVersion
from detection.services import registry
from ml.errors import ArtifactError


class Command(BaseCommand):
    help = "Register a model artifact by its SHA-256, and activate it if asked."

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("folder", nargs="?", type=Path, help="holds model.onnx, model.json")
        source.add_argument("--shipped", action="store_true", help="the default of this release")
        parser.add_argument("--sha256", help="what the artifact's hash must be, with a folder")
        parser.add_argument("--activate", action="store_true")
        parser.add_argument(
            "--activate-if-none", action="store_true", help="keep the one that judges already"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            folder, sha256 = self._source(options)
            version = registry.register_artifact(folder, by=None, sha256=sha256)
        except (ArtifactError, registry.VersionTaken) as error:
            raise CommandError(str(error)) from error
        if options["activate"] or (options["activate_if_none"] and not _is_any_active()):
            registry.activate(version, by=None)
        self.stdout.write(f"{version}: {version.artifact_sha256}")

    def _source(self, options: dict[str, Any]) -> tuple[Path, str]:
        if options["shipped"]:
            return detector.shipped_default()
        if not options["sha256"]:
            raise CommandError("Say --sha256: an artifact is registered only by a hash you know.")
        return options["folder"], options["sha256"]


def _is_any_active() -> bool:
    return ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).exists()
