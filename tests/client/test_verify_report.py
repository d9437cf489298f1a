"""`unmask verify-report`, with keys at hand and against a desk."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from client import main, verify_report
from client.errors import DeskError
from client.verify_report import EXIT_CODES, SENTENCES, verify
from tests.client.test_report_file import JSON, PDF, PUBLIC, STRANGE

DESK = "https://desk.example.org"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.pdf"
    path.write_bytes(PDF)
    return path


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# of the desk\n{PUBLIC}\n")
    return path


def unmask(*arguments: object) -> Result:
    return CliRunner().invoke(main.app, ["verify-report", *map(str, arguments)])


def desk(state: str = "current", *, key: str = PUBLIC, because: str | None = None) -> Callable:
    """What a desk answers; the state `unknown` is a 404."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/reports/keys":
            return httpx.Response(200, json={"keys": [{"public_key": key}]})
        assert request.url.path == "/api/v1/reports/r"
        assert "sha256" in request.url.params
        if state == "unknown":
            return httpx.Response(404)
        return httpx.Response(200, json={"state": state, "because": because})

    return answer


def asked(path: Path, answer: Callable, **options: object) -> verify_report.Verified:
    return verify(path, server=DESK, transport=httpx.MockTransport(answer), **options)


def test_an_intact_report_ends_with_0(report, keys):
    run = unmask(report, "--key", keys)
    assert run.exit_code == 0
    assert "intact" in run.output


def test_an_altered_one_ends_with_1(report, keys):
    report.write_bytes(PDF.replace(b"page", b"pagE", 1))
    run = unmask(report, "--key", keys)
    assert run.exit_code == 1
    assert "ALTERED" in run.output


def test_another_key_ends_with_4(report, tmp_path):
    (tmp_path / "other").write_text(STRANGE)
    assert unmask(report, "--key", tmp_path / "other").exit_code == 4


def test_another_file_ends_with_3(tmp_path, keys):
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    assert unmask(tmp_path / "photo.jpg", "--key", keys).exit_code == 3
    assert unmask(tmp_path / "nowhere.pdf", "--key", keys).exit_code == 3


def test_without_a_key_and_a_desk_it_says_what_it_needs(report, monkeypatch):
    monkeypatch.delenv("UNMASK_SERVER", raising=False)
    run = unmask(report)
    assert run.exit_code != 0
    assert "--key" in run.output


def test_json_says_all_of_it(report, keys):
    said = json.loads(unmask(report, "--key", keys, "--json").output)
    assert (said["result"], said["statement"]["report"]) == ("intact", "r")


def test_a_json_report_is_checked_the_same(tmp_path, keys):
    (tmp_path / "report.json").write_bytes(JSON)
    assert unmask(tmp_path / "report.json", "--key", keys).exit_code == 0


@pytest.mark.parametrize("state", ["current", "superseded", "revoked", "erased"])
def test_a_desk_says_what_became_of_it(report, state):
    found = asked(report, desk(state, because="later_model"))
    assert (found.result, found.exit_code) == (state, 0 if state == "current" else 2)


def test_what_the_desk_has_no_record_of_is_not_to_be_trusted(report):
    found = asked(report, desk("unknown"))
    assert (found.result, found.exit_code) == ("not_issued", 1)


def test_a_key_that_was_kept_goes_before_the_desks_own(report, tmp_path):
    (tmp_path / "other").write_text(STRANGE)
    assert asked(report, desk(), keys=tmp_path / "other").result == "unknown_key"


def test_an_altered_report_is_altered_whatever_the_desk_says(report):
    report.write_bytes(PDF + b"\n")
    assert asked(report, desk()).result == "altered"


def test_a_desk_of_another_kind_is_no_answer(report):
    with pytest.raises(DeskError):
        asked(report, lambda request: httpx.Response(200, text="hello"))
    with pytest.raises(DeskError):
        asked(report, desk("whatever"))


def test_a_desk_that_is_away_ends_with_3(report):
    assert unmask(report, "--server", "http://127.0.0.1:9").exit_code == 3


def test_a_file_of_keys_that_holds_none_is_said(report, tmp_path):
    (tmp_path / "none").write_text("hello")
    run = unmask(report, "--key", tmp_path / "none")
    assert run.exit_code == 3
    assert "no public key" in run.output


def test_every_result_has_a_sentence():
    assert set(SENTENCES) == set(EXIT_CODES)
