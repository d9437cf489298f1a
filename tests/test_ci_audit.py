"""What .ci/audit makes of an index that knows of vulnerabilities, and of one that knows of none."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepfake_site.paths import PROJECT_DIR

FINDING = '{"dependencies": [{"name": "django", "vulns": [{"id": "PYSEC-0000-1"}]}]}'
NOTHING = '{"dependencies": [{"name": "django", "skip_reason": "Dependency not found on PyPI"}]}'


def _audit(
    folder: Path, *, known: str, served: int, only: str = "", waivers: str = ""
) -> subprocess.CompletedProcess:
    """Run it with a program in the place of pip-audit.

    Args:
        known: what that says of the version that is known to be vulnerable.
        served: its exit status for the packages that are served.
        only: the one service that knows anything; empty is all of them.
        waivers: what stands in the list of waived findings.
    """
    (folder / "waivers").write_text(waivers)
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
        env=os.environ | {"PIP_AUDIT": str(program), "WAIVERS": str(folder / "waivers")},
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


def _day(from_today: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=from_today)).isoformat()


def test_a_waived_finding_is_not_asked_about_until_its_day_is_over(tmp_path):
    lines = f"# known\n\nPYSEC-1 {_day(1)} alice not called\nPYSEC-2 {_day(-1)} bob not called\n"
    run = _audit(tmp_path, known=FINDING, served=0, waivers=lines)
    assert run.returncode == 0
    asked = (tmp_path / "asked").read_text().splitlines()[-1]
    assert asked.endswith("--strict --ignore-vuln PYSEC-1")
    assert f"PYSEC-2 was waived until {_day(-1)} by bob; it counts again" in run.stderr


@pytest.mark.parametrize("line", ["PYSEC-1", "PYSEC-1 soon alice why", "PYSEC-1 2999-01-01 alice"])
def test_a_waiver_has_a_day_an_owner_and_a_reason(tmp_path, line):
    run = _audit(tmp_path, known=FINDING, served=0, waivers=f"{line}\n")
    assert run.returncode == 1
    assert "lacks a last day, an owner or a reason" in run.stderr


def test_the_list_of_waived_findings_can_be_read():
    lines = (PROJECT_DIR / ".ci" / "waivers").read_text().splitlines()
    for line in lines:
        assert not line or line.startswith("#") or len(line.split(maxsplit=3)) == 4
