"""What is shipped: locked by hash, listed with its licence, and a network known by its hash."""

import hashlib
import importlib.metadata
import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deepfake_site.paths import PROJECT_DIR
from ml.artifact import DEFAULT_ARTIFACT, MODEL_FILE, REGISTERED, SIDECAR_FILE, artifact_sha256

LOCK = tomllib.loads((PROJECT_DIR / "uv.lock").read_text())
OURS = "unmask"
LICENCES = (PROJECT_DIR / "docs" / "licences.md").read_text()
OPERATIONS = (PROJECT_DIR / "docs" / "operations.md").read_text()


def locked(*groups: str) -> set[str]:
    """The packages that an image is built with, on any platform."""
    packages = {package["name"]: package for package in LOCK["package"]}
    ours = packages[OURS]
    waiting = list(ours["dependencies"])
    for group in groups:
        waiting += ours["dev-dependencies"][group]
    found: set[str] = set()
    while waiting:
        needed = waiting.pop()
        package = packages[needed["name"]]
        extras = [
            dependency
            for extra in needed.get("extra", [])
            for dependency in package.get("optional-dependencies", {}).get(extra, [])
        ]
        new = [] if needed["name"] in found else package.get("dependencies", [])
        waiting += [one for one in extras if one["name"] not in found] + new
        found.add(needed["name"])
    return found


def listed(heading: str) -> dict[str, str]:
    """The licences under a heading of docs/licences.md, by package."""
    section = LICENCES.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\S+)` \| (.+) \|$", section, re.MULTILINE))


SERVED, TRAINING = listed("Everything that is served"), listed("What training adds")
OBSERVING = listed("What error reports and traces add")


def test_every_locked_file_has_a_hash():
    for package in LOCK["package"]:
        if package["name"] == OURS:
            assert package["source"] == {"editable": "."}
            continue
        files = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
        assert files, package["name"]
        for file in files:
            assert re.fullmatch("sha256:[0-9a-f]{64}", file["hash"]), file["url"]


def test_every_package_of_the_images_is_in_the_list_of_licences_and_no_other():
    assert set(SERVED) == locked()
    assert set(TRAINING) == locked("train") - locked()
    assert set(OBSERVING) == locked("observe") - locked()


def test_the_list_says_what_the_packages_say():
    differing = {}
    for name, licence in (SERVED | TRAINING | OBSERVING).items():
        try:
            stated = importlib.metadata.metadata(name).get("License-Expression")
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        if stated and not licence.startswith(stated):
            differing[name] = (licence, stated)
    assert differing == {}


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `make sbom` writes, by image."""
    folder: Path = tmp_path_factory.mktemp("sbom")
    subprocess.run(
        ["make", "sbom", f"SBOMS={folder}", "--old-file=.venv/.installed"],
        cwd=PROJECT_DIR,
        capture_output=True,
        timeout=120,
        check=True,
    )
    return {path.name.partition(".")[0]: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("image", "packages"), [("unmask-serve", locked()), ("unmask-train", locked("train"))]
)
def test_the_bill_of_materials_is_complete_and_valid(bills, image, packages):
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(bills[image]) is None
    bill: dict[str, Any] = json.loads(bills[image])
    components = {one["name"]: one for one in bill["components"]}
    assert set(components) == packages
    assert bill["metadata"]["component"]["name"] == OURS
    for one in components.values():
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"
        hashes = [each["alg"] for file in one["externalReferences"] for each in file["hashes"]]
        assert set(hashes) == {"SHA-256"}


def test_a_broken_bill_is_noticed(bills):
    bill = json.loads(bills["unmask-serve"])
    del bill["components"][0]["name"]
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(bill)) is not None


def test_the_shipped_network_has_the_hash_that_is_registered():
    sidecar = json.loads((DEFAULT_ARTIFACT / SIDECAR_FILE).read_text())
    known = {
        (one["name"], one["version"]): one["sha256"] for one in json.loads(REGISTERED.read_text())
    }
    assert artifact_sha256(DEFAULT_ARTIFACT) == known[sidecar["name"], sidecar["version"]]


def test_its_hash_can_be_worked_out_without_this_project():
    parts = [(DEFAULT_ARTIFACT / name).read_bytes() for name in (MODEL_FILE, SIDECAR_FILE)]
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    assert hashlib.sha256(framed).hexdigest() == artifact_sha256(DEFAULT_ARTIFACT)


def test_the_documented_command_prints_that_hash():
    [script] = re.findall(r"^    (for f in model\.onnx .+)$", OPERATIONS, re.MULTILINE)
    ran = subprocess.run(
        ["bash", "-c", script], cwd=DEFAULT_ARTIFACT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split()[0] == artifact_sha256(DEFAULT_ARTIFACT)
