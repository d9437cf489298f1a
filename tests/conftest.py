"""Personas, a fake judgement, and a database that lets tests empty even the audit trail."""

import re
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.backends.base.operations import BaseDatabaseOperations
from django.test import Client
from django.utils import translation

from accounts import append_only
from accounts.models import ApiKey, User
from detection import bucket, detector, kept_notes
from detection.management.commands import up
from detection.models import Detection, ModelVersion, ReviewRules
from detection.services import review_rules
from tests import images

ON_REQUEST = (
    ("--runslow", "slow", "trains a network"),
    ("--integration", "integration", "breaks real processes on purpose"),
    ("--chaos", "by_command", "breaks whole installations for minutes"),
)
DATABASE = frozenset({"db", "transactional_db", "live_server"})
PASSWORD = "correct horse battery staple"
AFTER_A_REVIEW = {
    "telling": ("review_completed", "review_withdrawn"),
    "reviewed_labels": ("learn", "unlearn"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    for option, _marker, reason in ON_REQUEST:
        parser.addoption(option, action="store_true", help=reason)
    parser.addoption(
        "--only-database",
        action="store_true",
        help="leave out what asks no database: it ran, and would say the same of another one",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--only-database"):
        left_out = [item for item in items if not _hangs_on_the_database(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _hangs_on_the_database(item)]
    if config.getoption("--runslow"):
        items.sort(key=_may_come_late)
    for option, marker, reason in ON_REQUEST:
        if config.getoption(option):
            continue
        for item in items:
            if marker in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"{reason}; say {option}"))


def _asks_the_database(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return bool(item.get_closest_marker("django_db") or DATABASE.intersection(fixtures))


def _hangs_on_the_database(item: pytest.Item) -> bool:
    return _asks_the_database(item) and not item.get_closest_marker("any_database")


def _may_come_late(item: pytest.Item) -> bool:
    """Not so a minute's training: at the end other processes would wait for it.

    Among those that ask the database the order stays: one that is rolled back, before a flush.
    """
    return _asks_the_database(item) or not item.get_closest_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def _flush_may_empty_the_audit_trail() -> Iterator[None]:
    """Transactional tests end with a flush, which the audit trail's own triggers refuse.

    Wrapped here and nowhere else: drop the triggers, flush, restore triggers and chain heads. On
    PostgreSQL rows are deleted without their triggers: cutting some seventy tables makes as many
    files anew, which takes most of a second.
    """
    real = BaseDatabaseOperations.execute_sql_flush

    def flush(self: BaseDatabaseOperations, sql_list: list[str]) -> None:
        vendor = self.connection.vendor
        heads = [
            f"INSERT INTO accounts_auditchain (number, seq, head) VALUES ({n}, 0, '{'0' * 64}')"
            for n in range(17)
        ]
        drop = [*append_only.DROP[vendor], *kept_notes.DROP[vendor]]
        create = [*append_only.CREATE[vendor], *kept_notes.CREATE[vendor]]
        if vendor == "postgresql":
            tables = re.findall(r'"\w+"', " ".join(sql_list))
            drop = ["SET LOCAL session_replication_role = replica"]
            create = ["SET LOCAL session_replication_role = DEFAULT"]
            sql_list = ["".join(f"DELETE FROM {table};" for table in tables)]
        real(self, [*drop, *sql_list, *create, *heads])

    BaseDatabaseOperations.execute_sql_flush = flush
    yield
    BaseDatabaseOperations.execute_sql_flush = real


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, settings: Any) -> Path:
    """Each test stores its files in a folder of its own."""
    settings.DATA_DIR = tmp_path / "data"
    settings.AUDIT_DIR, settings.AUDIT_KEY = settings.DATA_DIR / "audit", ""
    settings.DATA_DIR.mkdir()
    return settings.DATA_DIR


@pytest.fixture(autouse=True)
def _every_test_counts_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier test took of a limit may still be known to Redis."""
    monkeypatch.setattr("deepfake_site.rate_limits.PREFIX", uuid.uuid4().hex)
    monkeypatch.setattr("deepfake_site.rate_limits._silent_until", 0.0)


@pytest.fixture(autouse=True)
def _a_new_desk_draws_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows' ids are random: at the shares of a new desk, chance would now and then draw one."""
    new, real = ReviewRules(), review_rules.is_drawn
    of_a_new_desk = {new.sample_share, new.second_opinion_share}

    def is_drawn(pk: uuid.UUID, share: float, *, for_what: str) -> bool:
        return share not in of_a_new_desk and real(pk, share, for_what=for_what)

    for module in ("review", "review_screening"):
        monkeypatch.setattr(f"detection.services.{module}.is_drawn", is_drawn)


@pytest.fixture(autouse=True)
def _every_test_starts_in_english() -> Iterator[None]:
    """A request's language stays active in its thread, here the one that runs the next test."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[str]:
    """Doorbells rung, as ids; no broker is asked unless a test is about real processes."""
    calls: list[str] = []
    if "integration" in request.keywords or "real_doorbell" in request.fixturenames:
        return calls

    def ring(detection_id: object, queue: str, **_: object) -> bool:
        calls.append(str(detection_id))
        return True

    for module in (
        "detection.services.waiting",
        "detection.services.sweeping",
        "detection.tasks",
    ):
        monkeypatch.setattr(f"{module}.ring", ring)
    monkeypatch.setattr("detection.services.sweeping.unanswered", lambda queue: 0)
    for module in (
        "detection.services.erasure",
        "detection.services.regions",
        "detection.services.sweeping",
        "detection.tasks",
    ):
        monkeypatch.setattr(f"{module}.announce_end", lambda detection_id: None)
    return calls


@pytest.fixture(autouse=True)
def bells(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> list[list[str]]:
    """Doorbells rung for webhooks, each with its deliveries' ids; no broker is asked."""
    calls: list[list[str]] = []
    if "integration" in request.keywords or "real_doorbell" in request.fixturenames:
        return calls

    def send(task: str, ids: Sequence[str], queue: str, **_: object) -> bool:
        calls.append(list(ids))
        return True

    monkeypatch.setattr("detection.services.delivering.doorbell.send", send)
    return calls


@pytest.fixture
def real_doorbell() -> None:
    """Ask for the real `ring`."""


@pytest.fixture
def valkey(settings: Any, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The broker that `manage.py up` starts, on a socket of its own."""
    path = tmp_path / "valkey.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--save", ""]
    server = subprocess.Popen([up._valkey_binary(), *options], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    settings.REDIS_URL = f"redis+socket://{path}"
    yield server
    server.kill()
    server.wait()


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[Any]:
    """A server that speaks S3; see `tests.bucket`."""
    pytest.importorskip("moto", reason="needs the dependency group dev")
    from tests.bucket import Server

    server = Server()
    yield server
    server.stop()


@pytest.fixture
def s3(bucket_server: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of an empty bucket, in which the desk keeps what machines share."""
    monkeypatch.setattr(bucket, "TRIES", 1)  # the pause before another is a second
    client = bucket_server.client()
    settings.S3_BUCKET, settings.S3_PREFIX = f"desk-{uuid.uuid4().hex}", "unmask/"
    settings.S3_ENDPOINT, settings.S3_REGION = bucket_server.endpoint, "us-east-1"
    settings.S3_ACCESS_KEY = settings.S3_SECRET_KEY = "test"
    client.create_bucket(Bucket=settings.S3_BUCKET)
    return client


def _person(email: str, role: str = User.Role.JOURNALIST) -> User:
    return User.objects.create_user(email, PASSWORD, role=role)


@pytest.fixture
def alice(db: None) -> User:
    """The owner."""
    return _person("alice@example.org")


@pytest.fixture
def bob(db: None) -> User:
    """A stranger."""
    return _person("bob@example.org")


@pytest.fixture
def carol(db: None) -> User:
    """A moderator."""
    return _person("carol@example.org", User.Role.MODERATOR)


@pytest.fixture
def dora(db: None) -> User:
    """An administrator."""
    return _person("dora@example.org", User.Role.ADMIN)


@pytest.fixture
def erin(db: None) -> User:
    """Another moderator."""
    return _person("erin@example.org", User.Role.MODERATOR)


@pytest.fixture
def strict(db: None) -> None:
    """The review desk wants one opinion on every item, and hands out no golden ones."""
    review_rules.set_rules(
        by=_person("rules@example.org", User.Role.MODERATOR), second_opinion_share=0, golden_share=0
    )


@pytest.fixture
def passed_on(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the review desk told and let be learnt, by name, instead of doing it."""
    calls: list[str] = []

    def note(name: str) -> Any:
        return lambda *_args, **_named: calls.append(name)

    for module, names in AFTER_A_REVIEW.items():
        for name in names:
            monkeypatch.setattr(f"detection.services.{module}.{name}", note(name))
    return calls


@pytest.fixture
def model_version(db: None) -> ModelVersion:
    """An active model that exists in the registry only; judging with it needs `fake_judgement`."""
    return ModelVersion.objects.create(
        name="fake",
        version="1",
        architecture="none",
        artifact_sha256="f" * 64,
        state=ModelVersion.State.ACTIVE,
        operating_point={"authentic_below": 0.2, "manipulated_from": 0.9},
    )


@pytest.fixture
def client_of() -> Callable[[User], Client]:
    """A signed-in browser for a person."""

    def sign_in(user: User) -> Client:
        client = Client(raise_request_exception=True)
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def key_of(db: None) -> Callable[..., str]:
    """A key's plaintext for a person."""

    def issue(user: User, *scopes: str) -> str:
        every = [scope.value for scope in ApiKey.Scope]
        return ApiKey.objects.issue(owner=user, name="test", scopes=list(scopes) or every)[1]

    return issue


@pytest.fixture
def photo() -> SimpleUploadedFile:
    return SimpleUploadedFile("photo.jpg", images.jpeg_bytes(), content_type="image/jpeg")


RESULT: dict[str, Any] = {
    "logit": 2.0,
    "score": 0.88,
    "probability": 0.93,
    "verdict": Detection.Verdict.LIKELY_MANIPULATED,
    "reasons": [],
    "transforms": {"jpeg_85": 0.92},
    "faces": [],
    "activation": np.zeros((2, 3), "<f2").tobytes(),
    "activation_shape": [2, 3],
    "timings_ms": {"network": 3.0},
}


@pytest.fixture
def fake_judgement(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Judging returns these columns without a network; decoding stays real."""
    result = dict(RESULT)

    def judge(image: Any, version: Any) -> detector.Judgement:
        decoded = detector.decode(image)
        facts = detector.facts_of(image, decoded)
        return detector.Judgement(result, facts, decoded.pixels)

    monkeypatch.setattr(detector, "judge", judge)
    return result
