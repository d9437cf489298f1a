"""`unmask check` on a server says what it says without one."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client.server import LARGE_BYTES
from tests import images
from tests.integration.installation import EMAIL, PROJECT, Installation

SAME = ("path", "sha256", "probability", "verdict", "reasons", "faces", "model")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("client") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def server(installation: Installation) -> dict[str, str]:
    key = installation.manage("create_api_key", EMAIL, "client")
    return {"UNMASK_SERVER": installation.origin, "UNMASK_API_KEY": key}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A photograph, a drawing, one that is sent in pieces, and one that breaks off."""
    (tmp_path / "a.jpg").write_bytes(images.jpeg_bytes(seed=11))
    (tmp_path / "b.png").write_bytes(images.encode(images.corners(640, 480), "PNG"))
    large = images.with_trailing(images.jpeg_bytes(seed=13), bytes(LARGE_BYTES))
    (tmp_path / "c.jpg").write_bytes(large)
    (tmp_path / "d.jpg").write_bytes(images.truncated(images.jpeg_bytes(seed=12)))
    return tmp_path


def check(*arguments: object, environment: dict[str, str]) -> tuple[int, list[dict[str, Any]]]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("UNMASK_")}
    done = subprocess.run(
        [sys.executable, "-m", "client.main", "check", *map(str, arguments), "--json"],
        cwd=PROJECT,
        env=ours | environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=240,
    )
    assert done.stderr == ""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.integration
def test_a_server_and_the_command_alone_give_the_same_verdicts(
    folder: Path, server: dict[str, str]
) -> None:
    code, here = check(folder, environment={})
    for options in ([], ["--bulk"]):
        code_there, there = check(folder, *options, environment=server)
        assert code_there == code == 3
        assert [{name: line[name] for name in SAME} for line in there[:3]] == [
            {name: line[name] for name in SAME} for line in here[:3]
        ]
        assert there[3]["error"]["code"] == here[3]["error"]["code"] == "truncated"
        assert all(line["id"] and line["id"] in line["page"] for line in there)
