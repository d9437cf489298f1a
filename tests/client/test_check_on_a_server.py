"""`unmask check --server`, `show` and `feedback`, against a desk on a port of this machine."""

import csv
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from client import main, remote
from client.server import LARGE_BYTES
from tests.client.stub_desk import KEY, StubDesk, problem, serving
from tests.client.test_check import FIELDS, lines, put

REPOSITORY = Path(__file__).parents[2]
BEGINNING = [sys.executable, "-m", "client.main"]


@pytest.fixture
def stub() -> StubDesk:
    return StubDesk()


@pytest.fixture(autouse=True)
def url(stub: StubDesk, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("UNMASK_API_KEY", KEY)
    monkeypatch.delenv("UNMASK_SERVER", raising=False)
    with serving(stub) as address:
        yield address


def unmask(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main.app, [*map(str, arguments)], input=stdin)


def start(*arguments: object, **environment: str) -> "subprocess.Popen[str]":
    """The command in a process of its own."""
    return subprocess.Popen(
        [*BEGINNING, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        text=True,
    )


def test_a_line_has_the_fields_of_a_local_one_and_where_to_read_on(tmp_path, url):
    put(tmp_path, photo=b"i am a photo")
    result = unmask("check", tmp_path / "photo", "--server", url, "--json")
    [line] = lines(result)
    assert list(line) == [*FIELDS, "id", "page"]
    assert line == {
        "path": str(tmp_path / "photo"),
        "sha256": hashlib.sha256(b"i am a photo").hexdigest(),
        "probability": 0.25,
        "verdict": "inconclusive",
        "reasons": ["unstable"],
        "error": None,
        "score": None,
        "faces": [],
        "model": {"name": "stub", "version": "1", "sha256": "0" * 64},
        "id": "d0",
        "page": "https://desk.example.org/detections/d0",
    }
    assert result.exit_code == 2


@pytest.mark.parametrize("bulk", [[], ["--bulk"]])
@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"0": b"a"}, 0),
        ({"0": b"a", "1": b"i"}, 2),
        ({"0": b"a", "1": b"m", "2": b"i"}, 1),
        ({"0": b"a", "1": b"m", "2": b"x"}, 3),
        ({"0": b"m", "1": b"f"}, 3),
    ],
)
def test_the_exit_code_is_the_worst_of_all(tmp_path, url, files, code, bulk):
    put(tmp_path, **files)
    result = unmask("check", *(tmp_path / n for n in files), "--server", url, "--json", *bulk)
    assert result.exit_code == code
    errors = [line["error"] and line["error"]["code"] for line in lines(result)]
    expected = {b"x": "unsupported_format", b"f": "truncated"}
    assert errors == [expected.get(data) for data in files.values()]


@pytest.mark.parametrize("bulk", [[], ["--bulk"]])
def test_results_keep_the_order_of_the_files(tmp_path, url, stub, bulk, monkeypatch):
    monkeypatch.setattr(remote, "BATCH_FILES", 5)
    stub.polls = 1
    names = [f"{number:02}.png" for number in range(12)]
    put(tmp_path, **{name: b"a" + name.encode() for name in names})
    result = unmask("check", tmp_path, "--server", url, "--json", "--jobs", 3, *bulk)
    assert [Path(str(line["path"])).name for line in lines(result)] == names
    assert {line["verdict"] for line in lines(result)} == {"likely_authentic"}
    assert sorted(sent["file_name"] for sent in stub.submissions) == names
    assert stub.paths("POST") == ["detections/batch"] * 3 if bulk else ["detections"] * 12


def test_bulk_sends_large_files_in_pieces_between_the_others(tmp_path, url, stub):
    put(tmp_path, **{"a.png": b"a", "b.png": b"m" * (LARGE_BYTES + 1), "c.png": b"i"})
    result = unmask("check", tmp_path, "--server", url, "--json", "--bulk")
    assert [line["verdict"] for line in lines(result)] == [
        "likely_authentic",
        "likely_manipulated",
        "inconclusive",
    ]
    assert sorted(stub.paths("POST")) == ["detections/batch", "uploads"]
    assert {sent["priority"] for sent in stub.submissions} == {"bulk"}


def test_terms_go_with_every_file(tmp_path, url, stub):
    put(tmp_path, **{"a.png": b"a", "b.png": b"a"})
    story = '{"story": "straße"}'
    assert unmask("check", tmp_path, "--server", url, "--metadata", story, "--confidential")
    assert [json.loads(sent["metadata"]) for sent in stub.submissions] == [{"story": "straße"}] * 2
    assert {sent["is_confidential"] for sent in stub.submissions} == {"true"}


def test_without_waiting_it_ends_once_everything_is_accepted(tmp_path, url, stub):
    stub.polls = 99
    put(tmp_path, **{"a.png": b"m"})
    result = unmask("check", tmp_path, "--server", url, "--no-wait", "--json")
    [line] = lines(result)
    assert (line["id"], line["verdict"], line["error"]) == ("d0", None, None)
    assert result.exit_code == 0
    assert "queued" in unmask("check", tmp_path, "--server", url, "--no-wait").stdout


def test_a_verdict_that_does_not_come_is_an_error_with_the_id(tmp_path, url, stub):
    stub.polls = 99
    put(tmp_path, **{"a.png": b"m"})
    result = unmask("check", tmp_path, "--server", url, "--timeout", 1, "--json")
    [line] = lines(result)
    assert (line["id"], line["error"]["code"]) == ("d0", "wait_timeout")
    assert result.exit_code == 3


def test_people_get_the_same_table_and_csv_the_same_columns(tmp_path, url):
    put(tmp_path, **{"a.png": b"m", "b.png": b"x"})
    result = unmask("check", tmp_path, "--server", url)
    first, second = result.stdout.splitlines()
    assert first.split() == ["likely", "manipulated", "25%", str(tmp_path / "a.png")]
    assert "(unsupported_format: This is no photograph.)" in second
    assert "2 images: 1 likely manipulated, 1 failed." in result.stderr
    rows = csv.DictReader(io.StringIO(unmask("check", tmp_path, "--server", url, "--csv").stdout))
    assert [row["verdict"] for row in rows] == ["likely_manipulated", ""]


def test_words_of_a_server_cannot_steer_a_terminal(tmp_path, url, stub):
    stub.faults = [problem(415, "unsupported_format", "\x1b[2J\u202e gone")]
    put(tmp_path, **{"a.png": b"m"})
    result = unmask("check", tmp_path, "--server", url)
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout


def test_it_reads_standard_input(url, stub):
    [line] = lines(unmask("check", "-", "--server", url, "--json", stdin=b"m from a pipe"))
    assert (line["path"], line["verdict"]) == ("-", "likely_manipulated")
    assert stub.submissions[0]["data"] == b"m from a pipe"


def test_a_pipe_with_a_name_is_read_once(tmp_path, url, stub):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"a pipe",))
    writer.start()
    [line] = lines(unmask("check", tmp_path / "pipe", "--server", url, "--json"))
    writer.join()
    assert line["verdict"] == "likely_authentic"
    assert stub.submissions[0]["data"] == b"a pipe"


@pytest.mark.parametrize("bulk", [[], ["--bulk"]])
def test_a_missing_file_fails_and_the_others_are_judged(tmp_path, url, bulk):
    put(tmp_path, there=b"a")
    paths = [tmp_path / "gone", tmp_path / "there"]
    gone, there = lines(unmask("check", *paths, "--server", url, "--json", *bulk))
    assert gone["error"] == {"code": "not_readable", "detail": "No such file or directory"}
    assert there["verdict"] == "likely_authentic"


def test_a_wrong_key_is_said_once_and_no_other_file_is_sent(tmp_path, url, stub, monkeypatch):
    monkeypatch.setenv("UNMASK_API_KEY", KEY[:-1] + "x")
    put(tmp_path, **{f"{number}.png": b"a" for number in range(30)})
    result = unmask("check", tmp_path, "--server", url, "--json", "--jobs", 2)
    assert result.stderr == f"unmask: {url} does not accept this key\n"
    assert {line["error"]["code"] for line in lines(result)} == {"authentication_failed"}
    assert len(lines(result)) == 30
    assert len(stub.requests) <= 3
    assert result.exit_code == 3


def test_a_scope_that_the_key_lacks_is_named(tmp_path, url, stub):
    stub.faults = [problem(403, "permission_denied")]
    put(tmp_path, **{"a.png": b"a"})
    result = unmask("check", tmp_path, "--server", url, "--json")
    assert result.stderr.endswith("it needs the scope detections:write\n")


def test_no_server_is_one_sentence_and_an_error_for_each_file(tmp_path):
    put(tmp_path, **{"a.png": b"a", "b.png": b"a"})
    result = unmask("check", tmp_path, "--server", "http://127.0.0.1:9", "--timeout", 1, "--json")
    assert re.fullmatch(r"unmask: http://127.0.0.1:9 does not answer: .*refused\n", result.stderr)
    assert [line["error"]["code"] for line in lines(result)] == ["server_unreachable"] * 2


def test_a_busy_moment_passes_unnoticed(tmp_path, url, stub):
    stub.faults = [problem(429, "throttled", **{"Retry-After": "0"}), httpx.Response(502)]
    put(tmp_path, **{"a.png": b"a"})
    result = unmask("check", tmp_path, "--server", url, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(stub.submissions) == 1


def test_server_and_key_may_come_from_the_environment_and_a_file(tmp_path, url, monkeypatch):
    monkeypatch.setenv("UNMASK_SERVER", url)
    monkeypatch.delenv("UNMASK_API_KEY")
    (tmp_path / "key").write_text(f"{KEY}\n")
    put(tmp_path, photo=b"m")
    arguments = ("check", tmp_path / "photo", "--json", "--key-file", tmp_path / "key")
    assert unmask(*arguments).exit_code == 1


def test_a_key_is_no_argument_and_is_not_repeated(tmp_path, url):
    put(tmp_path, photo=b"m")
    result = unmask("check", tmp_path / "photo", "--server", url, "--key", KEY)
    assert result.exit_code == 2
    assert "UNMASK_API_KEY" in result.stderr
    assert KEY not in result.output
    assert "--key " not in unmask("check", "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bulk"], "--server"),
        (["--metadata", "{}"], "--server"),
        (["--server", "http://a", "--model", "paper_cnn"], "--model"),
        (["--server", "http://a", "--metadata", "[1]"], "object"),
        (["--server", "http://a", "--metadata", "{"], "JSON"),
        (["--server", "a"], "address"),
        (["--server", "http://a", "--key-file", "/nowhere"], "key file"),
    ],
)
def test_what_does_not_fit_together_is_said(tmp_path, arguments, words):
    put(tmp_path, photo=b"m")
    result = unmask("check", tmp_path / "photo", *arguments)
    assert result.exit_code in {2, 3}
    assert words in result.stderr
    assert result.stdout == ""


def test_without_a_key_it_says_where_to_put_one(tmp_path, url, monkeypatch):
    monkeypatch.delenv("UNMASK_API_KEY")
    put(tmp_path, photo=b"m")
    result = unmask("check", tmp_path / "photo", "--server", url)
    assert result.exit_code == 3
    assert "UNMASK_API_KEY" in result.stderr


def test_a_detection_is_shown_again(url, tmp_path):
    put(tmp_path, photo=b"m")
    unmask("check", tmp_path / "photo", "--server", url)
    shown = unmask("show", "d0", "--server", url, "--json")
    [line] = lines(shown)
    assert (line["path"], line["verdict"], shown.exit_code) == ("d0", "likely_manipulated", 1)
    missing = unmask("show", "d9", "--server", url)
    assert (missing.exit_code, missing.stderr) == (3, "")
    assert "not_found: Not found." in missing.stdout


def test_a_detection_that_is_not_there_does_not_hide_the_next(url, tmp_path):
    put(tmp_path, photo=b"m")
    unmask("check", tmp_path / "photo", "--server", url)
    shown = unmask("show", "d9", "d0", "--server", url, "--json")
    missing, found = lines(shown)
    assert (missing["path"], missing["error"]["code"]) == ("d9", "not_found")
    assert (found["path"], found["error"], shown.exit_code) == ("d0", None, 3)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show"], "bad_usage"),
        (["show", "d0", "--jobs", "2"], "bad_usage"),
        (["shwo", "d0"], "bad_usage"),
        (["check"], "bad_usage"),
        (["check", "a", "--bulk"], "bad_usage"),
        (["check", "."], "no_image"),
        (["check", "a", "--server", "http://a", "--key-file", "/nowhere"], "key_unreadable"),
        (["check", "a", "--server", "http://a", "--metadata", "{"], "bad_usage"),
        (["check", "a", "--server", "a"], "address_malformed"),
        (["show", "d0"], "no_server"),
        (["show", "d0", "--server", "a"], "address_malformed"),
        (["verify-report"], "bad_usage"),
        (["verify-report", "nowhere.pdf"], "bad_usage"),
        (["verify-report", "nowhere.pdf", "--key", "nowhere"], "not_readable"),
        (["verify-report", "nowhere.pdf", "--server", "http://127.0.0.1:9"], "not_readable"),
        (["verify-report", ".", "--server", "http://127.0.0.1:9"], "not_readable"),
    ],
)
def test_whatever_ends_a_command_is_an_object_for_programs(tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    result = unmask(*arguments, "--json")
    [line] = lines(result)
    assert list(line) == ["error"]
    assert (line["error"]["code"], line["error"]["detail"] != "") == (code, True)
    assert result.exit_code in {2, 3}  # 3 from the shell: what is mistyped is no verdict
    assert result.stderr  # people read there what it is
    plain = unmask(*arguments)
    assert (plain.stdout, plain.exit_code) == ("", result.exit_code)


def test_a_mistyped_command_ends_with_3_for_programs_too():
    with start("show", "--json") as process:
        assert json.loads(process.stdout.read())["error"]["code"] == "bad_usage"
    assert process.returncode == 3


def test_feedback_reaches_the_desk(url, stub):
    terms = ["--label", "real", "--category", "false_positive", "--comment", "I was there"]
    assert unmask("feedback", "d0", *terms, "--server", url).exit_code == 0
    assert stub.feedback == [
        {
            "detection": "d0",
            "label": "real",
            "category": "false_positive",
            "comment": "I was there",
        }
    ]


def test_asking_a_server_loads_no_network(tmp_path, url):
    """In a process of its own: what is imported."""
    put(tmp_path, **{"a.png": b"m", "b.png": b"x"})
    program = (
        "import sys, atexit; from client.main import run\n"
        "heavy = {'onnxruntime', 'numpy', 'PIL', 'django', 'celery'}\n"
        "atexit.register(lambda: print(*heavy & set(sys.modules), file=sys.stderr))\n"
        "sys.argv = ['unmask', *sys.argv[1:]]; run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "check", str(tmp_path), "--server", url, "--json"],
        capture_output=True,
        cwd=REPOSITORY,
        check=False,
        text=True,
    )
    assert [json.loads(line)["verdict"] for line in done.stdout.splitlines()] == [
        "likely_manipulated",
        None,
    ]
    assert (done.returncode, done.stderr.strip()) == (3, "")


def test_judging_here_loads_no_http_client():
    program = (
        "import sys, client.main, client.check; print(*{'httpx', 'tenacity'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, cwd=REPOSITORY, check=True, text=True
    )
    assert done.stdout.strip() == ""


def test_an_interrupt_ends_it_at_once_and_in_silence(tmp_path, url, stub):
    stub.polls = 10**6
    put(tmp_path, **{f"{number}.png": b"m" for number in range(20)})
    with start("check", tmp_path, "--server", url, "--json") as process:
        while not stub.paths("GET"):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
    assert process.returncode == 130
