"""Which part may know which: accounts nothing of detection, the web nothing of TensorFlow."""

import ast
import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from detection import words
from detection.models import Detection
from detection.stated_reasons import stated_reasons
from ml import decision
from ml.decision import REASONS, Verdict
from ml.errors import ArtifactError, DecoderUnavailable, UnreadableImage
from ml.header import ACCEPTED_SENTENCE, MAX_PIXELS
from ml.stability import TRANSFORMS

ROOT = Path(__file__).parents[1]
PACKAGES = ("accounts", "client", "deepfake_site", "detection", "ml")
HEAVY = ("tensorflow", "keras", "tf2onnx", "onnx", "torch", "jax", "matplotlib")
# Outside these, detection may name the errors of ml and nothing else of it.
DOORS_TO_ML = {
    "detection/comparer.py": None,
    "detection/detector.py": None,
    "detection/drift.py": {"ml.metrics"},
    "detection/labelled_files.py": {
        "ml.datasets.layout",
        "ml.datasets.manifest",
        "ml.datasets.splits",
        "ml.errors",
    },
    "detection/limits.py": {"ml.metrics"},
    "detection/services/review_figures.py": {"ml.agreement", "ml.metrics"},
    "detection/review_charts.py": {"ml.metrics"},
    "detection/trainable.py": {
        "ml.artifact",
        "ml.configs.offered",
        "ml.errors",
        "ml.operating_point",
    },
    "detection/validators.py": {"ml.errors", "ml.header"},
}


def _modules(*packages: str) -> list[str]:
    paths = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    names = (path.relative_to(ROOT).as_posix() for path in paths)
    return sorted(name for name in names if "/migrations/" not in name)


@functools.cache
def _tree(module: str) -> ast.AST:
    return ast.parse((ROOT / module).read_text())


def _imports(module: str) -> Iterator[str]:
    """Whole names of what a module imports, `from a.b import c` as a.b."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _packages(module: str) -> set[str]:
    return {name.split(".")[0] for name in _imports(module)}


def _calls(module: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(_tree(module)) if isinstance(node, ast.Call))


def test_the_search_finds_modules():
    assert len(_modules(*PACKAGES)) > 80


def test_accounts_knows_nothing_of_detection():
    guilty = [m for m in _modules("accounts") if _packages(m) & {"detection", "ml", "client"}]
    assert guilty == []


def test_detection_reaches_ml_through_its_door_only():
    used = {m: {n for n in _imports(m) if n.split(".")[0] == "ml"} for m in _modules("detection")}
    allowed = {module: DOORS_TO_ML.get(module, {"ml.errors"}) for module in used}
    assert [m for m in used if allowed[m] is not None and not used[m] <= allowed[m]] == []


def test_models_know_neither_views_nor_services():
    upper = (
        "services",
        "tasks",
        "detector",
        "previews",
        "hashing",
        "web",
        "api",
        "storage",
        "doorbell",
    )
    above = tuple(f"detection.{name}" for name in upper)
    modules = _modules("detection/models")
    assert [m for m in modules if any(name.startswith(above) for name in _imports(m))] == []


def test_what_lies_below_knows_no_requests():
    modules = _modules("detection/services", "detection/models", "ml")
    above = {"django.http", "django.shortcuts", "rest_framework"}
    assert [module for module in modules if above & set(_imports(module))] == []


def test_the_environment_is_read_in_deepfake_site_only():
    forbidden = {"environ", "environb", "getenv", "putenv"}
    modules = _modules("accounts", "client", "detection", "ml")
    nodes = ((module, node) for module in modules for node in ast.walk(_tree(module)))
    # The one that is left writes to it, so that ONNX Runtime reports nothing.
    found = [m for m, node in nodes if getattr(node, "attr", "") in forbidden]
    assert found == ["ml/runtime.py"]


def test_no_image_is_opened_with_every_format_pillow_knows():
    calls = ((module, call) for module in _modules(*PACKAGES) for call in _calls(module))
    opened = [(m, c) for m, c in calls if ast.unparse(c.func).endswith("Image.open")]
    assert opened
    assert [m for m, c in opened if "formats" not in {k.arg for k in c.keywords}] == []


def test_truncated_images_are_never_let_through():
    modules = _modules(*PACKAGES)
    assert [m for m in modules if "LOAD_TRUNCATED_IMAGES = True" in ast.unparse(_tree(m))] == []


def test_nothing_heavy_is_imported_beside_ml():
    modules = _modules("accounts", "client", "deepfake_site", "detection")
    assert [module for module in modules if _packages(module) & set(HEAVY)] == []


def test_web_and_celery_processes_never_load_tensorflow():
    web = "import deepfake_site.wsgi, deepfake_site.urls"
    worker = "import deepfake_site.celery, detection.tasks"
    code = f"import sys; {web}; {worker}; print(sorted(set(sys.modules) & set({HEAVY!r})))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert run.stdout.strip().splitlines()[-1] == "[]"


# --- words that are said in two places


def test_the_verdicts_of_the_database_are_those_of_ml():
    assert set(Detection.Verdict.values) == {str(verdict) for verdict in Verdict}


def test_every_verdict_has_a_meaning():
    assert set(words.VERDICT_MEANINGS) == set(Detection.Verdict.values)


def test_every_reason_has_a_sentence():
    assert set(words.REASONS) == set(REASONS)


@pytest.mark.parametrize("verdict", ["", *Detection.Verdict.values])
@pytest.mark.parametrize("probability", [None, 0.5])
@pytest.mark.parametrize("reasons", [[], ["unstable"]])
def test_desk_and_command_state_the_same_reasons(verdict, probability, reasons):
    row = Detection(verdict=verdict, probability=probability, reasons=reasons)
    assert stated_reasons(row) == [*decision.stated_reasons(verdict, probability, reasons)]


def test_every_transform_has_a_name():
    assert set(words.TRANSFORMS) == set(TRANSFORMS)


@pytest.mark.parametrize("error", [UnreadableImage, DecoderUnavailable, ArtifactError])
def test_every_failure_has_a_sentence(error):
    assert set(words.FAILURES) >= error.CODES
    assert all(str(words.FAILURES[code]).endswith(".") for code in error.CODES)


def test_every_code_fits_its_column():
    longest = Detection._meta.get_field("failure_code").max_length
    assert all(len(code) <= longest for code in words.FAILURES)


def test_trying_again_is_offered_for_known_failures_only():
    assert set(words.FAILURES) >= words.TRANSIENT_FAILURES


def test_a_file_is_not_to_blame_for_a_failure_that_may_pass():
    assert not words.TRANSIENT_FAILURES & {"truncated", "corrupt", "unsupported_format"}


def test_the_pages_accept_what_ml_accepts():
    for name in ACCEPTED_SENTENCE.replace(" or ", ", ").split(", "):
        assert name in str(words.ACCEPTED)
        assert name.upper() in MAX_PIXELS
