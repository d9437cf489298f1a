"""`unmask check`: judge files on this machine, without a server."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from client import check as local
from client import main
from client.check import load_predictor
from client.files import find
from client.output import shown
from client.result import Result as CheckResult
from client.result import exit_code
from ml.decision import Verdict
from ml.decoder import Decoded
from ml.errors import ArtifactError
from ml.inference import Prediction
from tests import images

REPOSITORY = Path(__file__).parents[2]
FIELDS = ["path", "sha256", "probability", "verdict", "reasons", "error"]
FIELDS += ["score", "faces", "model"]


class BrightnessPredictor:
    """Calls bright images manipulated, dark ones authentic, and the middle inconclusive."""

    artifact = SimpleNamespace(name="brightness", version="1", sha256="0" * 64)

    def __init__(self, model: str = "default") -> None:
        self.model = model

    def predict(self, decoded: Sequence[Decoded]) -> list[Prediction]:
        return [self._judge(float(image.pixels.mean() / 255)) for image in decoded]

    def _judge(self, share: float) -> Prediction:
        verdict, reasons = Verdict.INCONCLUSIVE, ("unstable",)
        if not 0.3 <= share <= 0.7:
            verdict = Verdict.LIKELY_MANIPULATED if share > 0.7 else Verdict.LIKELY_AUTHENTIC
            reasons = ()
        return Prediction(
            logit=0.0,
            score=share,
            probability=share,
            verdict=verdict,
            reasons=reasons,
            activation=np.zeros((1, 1), np.float32),
            faces=(),
            transforms={},
            timings_ms={},
        )


def flat(level: int) -> bytes:
    return images.encode(images.Image.new("RGB", (64, 48), (level,) * 3), "PNG")


BRIGHT, DARK, MIDDLE = flat(250), flat(5), flat(128)


@pytest.fixture(autouse=True)
def _fake_predictor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "load_predictor", BrightnessPredictor)


def check(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main.app, ["check", *map(str, arguments)], input=stdin)


def lines(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def put(folder: Path, **files: bytes) -> Path:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_it_writes_one_json_line_an_image(tmp_path):
    put(tmp_path, bright=BRIGHT)
    result = check(tmp_path / "bright", "--json")
    [line] = lines(result)
    assert list(line) == FIELDS
    assert line == {
        "path": str(tmp_path / "bright"),
        "sha256": hashlib.sha256(BRIGHT).hexdigest(),
        "probability": pytest.approx(250 / 255),
        "verdict": "likely_manipulated",
        "reasons": [],
        "error": None,
        "score": pytest.approx(250 / 255),
        "faces": [],
        "model": {"name": "brightness", "version": "1", "sha256": "0" * 64},
    }


def test_another_shipped_model_can_be_asked_for(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        local, "load_predictor", lambda name: asked.append(name) or BrightnessPredictor()
    )
    put(tmp_path, dark=DARK)
    assert check(tmp_path / "dark", "--model", "paper_cnn").exit_code == 0
    assert asked == ["paper_cnn"]


def test_a_model_nobody_ships_is_named_with_those_that_are():
    with pytest.raises(ArtifactError, match="default") as caught:
        load_predictor("../default")
    assert caught.value.code == "artifact_missing"


def test_a_failed_file_is_a_line_with_an_error(tmp_path):
    data = images.text_bytes()
    put(tmp_path, text=data)
    result = check(tmp_path / "text", "--json")
    [line] = lines(result)
    assert list(line) == FIELDS
    assert line["error"]["code"] == "unsupported_format"
    assert line["sha256"] == hashlib.sha256(data).hexdigest()
    assert (line["probability"], line["verdict"], line["reasons"]) == (None, None, [])
    assert result.exit_code == 3


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"a": DARK}, 0),
        ({"a": DARK, "b": MIDDLE}, 2),
        ({"a": DARK, "b": BRIGHT, "c": MIDDLE}, 1),
        ({"a": DARK, "b": BRIGHT, "c": b"text"}, 3),
        ({"a": b""}, 3),
    ],
)
def test_the_exit_code_is_the_worst_of_all(tmp_path, files, code):
    put(tmp_path, **files)
    assert check(*(tmp_path / name for name in files), "--json").exit_code == code


def test_the_exit_code_ranks_failure_first():
    failed = CheckResult("x", error={"code": "corrupt", "detail": ""})
    manipulated = CheckResult("x", verdict="likely_manipulated")
    assert exit_code([manipulated, failed]) == 3
    assert exit_code([manipulated, CheckResult("x", verdict="inconclusive")]) == 1
    assert exit_code([]) == 0


def test_folders_are_walked_in_order_without_hidden_or_other_files(tmp_path):
    for folder in ("b", "a/deep", ".hidden"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("z.jpg", "b/one.PNG", "a/deep/two.webp", ".hidden/no.jpg", ".no.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"not looked at")
    (tmp_path / "a" / "without-ending").write_bytes(DARK)
    found = [str(path.relative_to(tmp_path)) for path in find([tmp_path])]
    assert found == ["z.jpg", "a/without-ending", "a/deep/two.webp", "b/one.PNG"]


def test_a_file_that_is_named_is_judged_whatever_it_looks_like(tmp_path):
    put(tmp_path, **{".hidden.txt": DARK})
    assert check(tmp_path / ".hidden.txt", "--json").exit_code == 0


def test_a_folder_without_images_is_an_error(tmp_path):
    result = check(tmp_path)
    assert result.exit_code == 3
    assert "no image found" in result.stderr
    assert result.stdout == ""


def test_a_missing_file_fails_and_the_others_are_judged(tmp_path):
    put(tmp_path, dark=DARK)
    result = check(tmp_path / "gone", tmp_path / "dark", "--json")
    gone, dark = lines(result)
    assert gone["error"]["code"] == "not_readable"
    assert gone["sha256"] is None
    assert dark["verdict"] == "likely_authentic"
    assert result.exit_code == 3


def test_it_reads_standard_input():
    result = check("-", "--json", stdin=BRIGHT)
    [line] = lines(result)
    assert (line["path"], line["verdict"]) == ("-", "likely_manipulated")
    assert line["sha256"] == hashlib.sha256(BRIGHT).hexdigest()


def test_results_keep_the_order_of_the_files(tmp_path):
    names = [f"{number:02}.png" for number in range(12)]
    put(tmp_path, **{name: flat(20 * number) for number, name in enumerate(names)})
    result = check(tmp_path, "--json", "--jobs", 3)
    assert [Path(str(line["path"])).name for line in lines(result)] == names
    probabilities = [line["probability"] for line in lines(result)]
    assert probabilities == sorted(probabilities)


def test_people_get_a_table_and_a_caution(tmp_path):
    put(tmp_path, **{"a.png": BRIGHT, "b.png": MIDDLE, "c.png": b"text"})
    result = check(tmp_path)
    first, second, third = result.stdout.splitlines()
    assert first.split() == ["likely", "manipulated", "98%", str(tmp_path / "a.png")]
    assert "inconclusive" in second
    assert "(unstable)" in second
    assert third.startswith("failed")
    assert "unsupported_format" in third
    assert "3 images: 1 likely manipulated, 1 inconclusive, 1 failed." in result.stderr
    assert "not proof" in result.stderr


def test_csv_has_a_head_and_guards_formulas(tmp_path, monkeypatch):
    put(tmp_path, **{"=cmd.png": BRIGHT})
    monkeypatch.chdir(tmp_path)
    rows = list(csv.DictReader(io.StringIO(check("=cmd.png", "--csv").stdout)))
    assert list(rows[0]) == ["path", "sha256", "probability", "verdict", "reasons", "error"]
    assert rows[0]["path"] == "'=cmd.png"


def test_json_and_csv_exclude_each_other(tmp_path):
    assert check(tmp_path, "--json", "--csv").exit_code == 2


def is_possible(name: str) -> bool:
    return "/" not in name and "\0" not in name and len(name.encode()) <= 255


@pytest.mark.parametrize("name", [*filter(is_possible, images.HOSTILE_NAMES)])
def test_a_hostile_name_stays_one_line(tmp_path, name):
    put(tmp_path, **{name: DARK})
    for option in ([], ["--json"]):
        result = check(tmp_path / name, *option)
        assert result.exit_code == 0
        assert len(result.stdout.splitlines()) == 1
        assert "\u202e" not in result.stdout
        assert "\x1b" not in result.stdout


def test_a_name_that_is_not_text_is_escaped(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    Path(path).write_bytes(DARK)
    [line] = lines(check(path, "--json"))
    assert line["path"] == path
    assert "\\udcff" in shown(path)


def test_an_artifact_that_cannot_be_loaded_is_said(tmp_path, monkeypatch):
    def refuse(model: str) -> None:
        raise ArtifactError("artifact_missing", "model.onnx")

    monkeypatch.setattr(local, "load_predictor", refuse)
    put(tmp_path, dark=DARK)
    result = check(tmp_path / "dark")
    assert result.exit_code == 3
    assert "artifact_missing" in result.stderr


def test_the_command_judges_with_the_shipped_network(tmp_path):
    """In a process of its own: exit code, streams, and what it imports."""
    put(tmp_path, **{"a.jpg": images.jpeg_bytes(), "b.png": images.truncated(images.png_bytes())})
    program = (
        "import sys; sys.argv = ['unmask', *sys.argv[1:]]\n"
        "import atexit; from client.main import run\n"
        "heavy = {'tensorflow', 'torch', 'keras', 'django', 'celery'}\n"
        "atexit.register(lambda: print(*heavy & set(sys.modules), file=sys.stderr))\n"
        "run()\n"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program, "check", str(tmp_path), "--json"],
        capture_output=True,
        cwd=REPOSITORY,
        check=False,
        text=True,
    )
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["verdict"] in set(Verdict)
    assert first["probability"] is None or 0 <= first["probability"] <= 1
    assert second["error"]["code"] == "truncated"
    assert done.returncode == 3
    assert done.stderr.strip() == ""
    assert time.monotonic() - started < 20


FAKED = (
    "import sys; import client.check as check, client.main as main\n"
    "from tests.client.test_check import BrightnessPredictor\n"
    "check.load_predictor = BrightnessPredictor\n"
    "sys.argv = ['unmask', *sys.argv[1:]]\n"
    "main.run()\n"
)


def start(*arguments: str) -> "subprocess.Popen[str]":
    """The command in a process of its own, with the fake network."""
    return subprocess.Popen(
        [sys.executable, "-c", FAKED, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        text=True,
    )


def test_nothing_is_written_after_the_reader_left(tmp_path):
    """`unmask check ... | head` ends without a traceback."""
    put(tmp_path, **{f"{number}.png": DARK for number in range(3)})
    with start("check", str(tmp_path), "--json") as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 3


def test_a_mistyped_option_is_not_a_verdict(tmp_path):
    with start("check", str(tmp_path), "--jsom") as process:
        assert "--jsom" in process.stderr.read()
    assert process.returncode == 3
