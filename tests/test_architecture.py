"""ml runs and tests without Django, and reads nothing but its arguments."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {"django", "rest_framework", "celery", "accounts", "detection", "deepfake_site"}
TRAINING_ONLY = {"keras", "tensorflow", "torch", "tf2onnx", "onnx", "matplotlib"}
# The modules that only training and exporting load.
TRAINERS = {
    "ml/bfloat16",
    "ml/training.py",
    "ml/feeds.py",
    "ml/leave_one_out.py",
    "ml/mixing.py",
    "ml/start.py",
    "ml/steady.py",
    "ml/export.py",
    "ml/curves.py",
    "ml/networks",
    "ml/report_plots.py",
}
# Writes to the environment that ONNX Runtime is to report nothing.
SILENCER = "ml/runtime.py"
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "ml").rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def parsed(module: str) -> ast.AST:
    return ast.parse((ROOT / module).read_text())


@pytest.mark.parametrize("module", MODULES)
def test_it_imports_nothing_of_the_web_side(module: str):
    assert not FORBIDDEN & set(imported(parsed(module)))


@pytest.mark.parametrize("module", sorted({*MODULES} - {SILENCER}))
def test_it_reads_no_environment(module: str):
    names = {n.attr for n in ast.walk(parsed(module)) if isinstance(n, ast.Attribute)}
    assert not names & {"environ", "environb", "getenv", "putenv"}


@pytest.mark.parametrize("module", MODULES)
def test_only_training_and_export_import_training_libraries(module: str):
    if not any(module.startswith(trainer) for trainer in TRAINERS):
        assert not TRAINING_ONLY & set(imported(parsed(module)))


@pytest.mark.parametrize("module", MODULES)
def test_it_loads_no_pickles(module: str):
    assert not {"pickle", "joblib", "dill", "h5py", "shelve"} & set(imported(parsed(module)))
