"""What `make` does where Python is too new, or comes without what makes environments."""

import subprocess
import sys
from pathlib import Path

import pytest

from deepfake_site.paths import PROJECT_DIR

SYSTEM = "/usr/bin:/bin"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder that comes first on the PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


def _program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def _make(programs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask make for the first file of an environment beside the programs."""
    environment = programs.parent / "environment"
    return subprocess.run(
        ["make", f"VENV={environment}", f"{environment}/bin/uv", *arguments],
        cwd=PROJECT_DIR,
        env={"PATH": f"{programs}:{SYSTEM}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_python_3_11_is_preferred_to_a_newer_python3(programs):
    _program(programs / "python3", "echo /newer/python3")
    _program(programs / "python3.11", "echo /chosen/python3.11")
    assert "/chosen/python3.11 -m venv" in _make(programs, "--dry-run").stdout


def test_a_python_3_11_that_does_not_run_is_passed_over(programs):
    python = _program(programs / "python3", "exit 0")
    _program(programs / "python3.11", "exit 127")
    assert f"{python} -m venv" in _make(programs, "--dry-run").stdout


def test_a_missing_package_is_named(programs):
    script = f'case "$*" in *ensurepip*) exit 1;; *) exec {sys.executable} "$@";; esac'
    python = _program(programs / "python", script)
    ended = _make(programs, f"PYTHON={python}")
    assert ended.returncode != 0
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    assert f"install the package {package}" in ended.stdout


def test_a_python_of_another_version_is_refused_with_the_way_out(programs):
    python = _program(programs / "python", "exit 1")
    ended = _make(programs, f"PYTHON={python}")
    assert ended.returncode != 0
    assert "PYTHON=python3.11 make run" in ended.stdout
