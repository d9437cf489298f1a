"""What .ci/audit makes of an index that knows of vulnerabilities, and of one that knows of none."""

import os
import subprocess
from pathlib import Path

import pytest

from deepfake_site.paths import PROJECT_DIR

FINDING = '{"dependencies": [{"name": "django", "vulns": [{"id": "PYSEC-0000-1"}]}]}'
NOTHING = '{"dependencies": [{"name": "django", "skip_reason": "Dependency not found on PyPI"}]}'


def _audit(folder: Path, *, known: str, served: int, only: str = "") -> subprocess.CompletedProcess:
    """Run it with a program in the place of pip-audit.

    Args:
        known: what that says of the version that is known to be vulnerable.
        served: its exit status for the packages that are served.
        only: the one service that knows anything; empty is all of them.
    """
    program = folder / "pip-audit"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >>{folder}/asked\n'
        f'case "$*" in *"service {only}"*) ;; *) exit 1;; esac\n'
        f"case \"$*\" in *json*) echo '{known}'; exit 1;; *) exit {served};; esac\n"
    )
    program.chmod(0o755)
    return subprocess.run(
        [PROJECT_DIR / ".ci" / "audit"],
        env=os.environ | {"PIP_AUDIT": str(program)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("status", [0, 1, 2])
def test_what_is_found_in_the_served_packages_decides(tmp_path, status):
    run = _audit(tmp_path, known=FINDING, served=status)
    assert run.returncode == status
    assert "NOT AUDITED" not in run.stderr
    assert "--strict" in (tmp_path / "asked").read_text()


def test_a_second_service_is_asked_where_the_first_knows_nothing(tmp_path):
    run = _audit(tmp_path, known=FINDING, served=1, only="osv")
    assert run.returncode == 1
    assert (
        (tmp_path / "asked").read_text().splitlines()[-1].startswith("--vulnerability-service osv")
    )


def test_without_advisories_it_says_so_and_goes_on(tmp_path):
    run = _audit(tmp_path, known=NOTHING, served=1)
    assert run.returncode == 0
    assert "NOT AUDITED" in run.stderr
    assert "--strict" not in (tmp_path / "asked").read_text()
