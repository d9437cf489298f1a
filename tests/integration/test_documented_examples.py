"""The examples of docs/api.md, each run as it stands against a whole installation.

A block of bash, Python or JavaScript has a name in a comment before it, `<!-- example: NAME -->`;
a block of text right after it holds what it prints, with … for what differs each time.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import images
from tests.integration.installation import EMAIL, PROJECT, Installation

pytestmark = pytest.mark.integration

DOCUMENT = PROJECT / "docs" / "api.md"
SCOPES = ("detections:write", "detections:read", "feedback:write", "models:read")
RUNNERS = {
    "bash": (["bash", "-euo", "pipefail"], "sh"),
    "python": ([sys.executable], "py"),
    "js": (["node"], "mjs"),
}
BLOCK = re.compile(
    r"(?:^<!-- example: (?P<name>[a-z0-9-]+) -->\n)?"
    r"^```(?P<language>\w+)\n(?P<code>.*?)^```$"
    r"(?:\n\n```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Example:
    name: str
    language: str
    code: str
    output: str

    def shows(self, printed: str) -> bool:
        """Whether every line that is promised was printed, in this order."""
        lines = (re.escape(line).replace("…", ".*") for line in self.output.splitlines())
        return re.search(".*\n(?:.*\n)*?.*".join(lines), printed) is not None


def examples() -> list[Example]:
    return [
        Example(found["name"] or "", found["language"], found["code"], found["output"] or "")
        for found in BLOCK.finditer(DOCUMENT.read_text())
        if found["language"] in RUNNERS
    ]


def test_every_example_has_a_name_of_its_own():
    names = [example.name for example in examples()]
    assert [example.code for example in examples() if not example.name] == []
    assert len(names) == len(set(names)) > 10


def test_what_an_example_promises_is_looked_for():
    example = Example("any", "bash", "", "first …\nlast\n")
    assert example.shows("before\nfirst 1\nbetween\nlast\n")
    assert not example.shows("last\nfirst 1\n")
    assert not example.shows("first 1\n")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("examples") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def environment(installation: Installation) -> dict[str, str]:
    """What a reader has: programs, an address and a key."""
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    programs = Path(sys.executable).parent
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT),
        "HOME": str(installation.data.parent),
        "LANG": "C.UTF-8",
        "UNMASK_URL": installation.origin,
        "UNMASK_API_KEY": installation.manage("create_api_key", EMAIL, "examples", *scopes),
    }


@pytest.fixture(scope="module")
def folder(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader is: photographs, the first of which is judged already."""
    here = tmp_path_factory.mktemp("reader")
    (here / "photos").mkdir()
    (here / "photo.jpg").write_bytes(images.jpeg_bytes(seed=1))
    for seed in (2, 3):
        (here / "photos" / f"{seed}.jpg").write_bytes(images.jpeg_bytes(seed=seed))
    with installation.client() as client:
        files = {"image": ("photo.jpg", (here / "photo.jpg").read_bytes())}
        address = client.post("/api/v1/detections", files=files).headers["Location"]
        installation.wait_until(lambda: client.get(address).json()["status"] == "done", 90)
    return here


@pytest.mark.parametrize("example", [pytest.param(one, id=one.name) for one in examples()])
def test_it_runs_as_it_stands(
    example: Example, environment: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    command, ending = RUNNERS[example.language]
    script = tmp_path / f"example.{ending}"
    script.write_text(example.code)
    done = subprocess.run(
        [*command, str(script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert example.shows(done.stdout), done.stdout
