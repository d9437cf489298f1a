"""The page Operations: who may open it, each figure from rows really made, and trying again."""

import html
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent, User
from detection import doorbell, operations_presentation
from detection.models import (
    Detection,
    DriftAlert,
    EvidenceLayer,
    HistoryRow,
    Installation,
    ModelVersion,
    Notice,
    PeriodFigures,
    TrainingRun,
    WebhookDelivery,
    WebhookEndpoint,
    WorkerSign,
)
from detection.services import failures, operations, queues
from detection.services.mailing import RETRY_AFTER
from detection.services.webhooks import add_endpoint
from detection.time_limit import TooSlow, time_limit
from tests.detection.training_data import run_row
from tests.factories import detection_row, done_row, image_row, running_row, submitted

pytestmark = pytest.mark.django_db
PAGE = "/operations"
SIGNS = ("sweep", "evidence", "bulk", "deliver")


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis answers."""
    monkeypatch.setattr(doorbell, "unanswered", lambda queue: 0)


@pytest.fixture
def working(model_version: ModelVersion) -> ModelVersion:
    """Every worker gave a sign just now."""
    for queue in SIGNS:
        WorkerSign.objects.give(queue)
    return model_version


@pytest.fixture
def page(client_of, dora):
    """The page's text as an administrator reads it."""

    def read(query: str = "") -> str:
        answer = client_of(dora).get(PAGE + query)
        assert answer.status_code == 200
        return html.unescape(answer.content.decode()).replace("\u00a0", " ")

    return read


def ago(**span: float):
    return timezone.now() - timedelta(**span)


def failed_row(owner: User, version: ModelVersion, code: str = "decoder_timeout", **fields):
    ended = {"status": "failed", "failure_code": code, "completed_at": timezone.now()}
    return detection_row(owner, version, **{"attempt": 3, "attempt_limit": 3, **ended, **fields})


def queue_of(name: str) -> queues.QueueState:
    return next(row for row in queues.queue_states() if row.queue == name)


# --- the sentence at the head


def test_all_well_is_one_sentence(working, page):
    text = page()
    assert '<p class="state tone-authentic">Everything runs</p>' in text
    assert 'class="troubles"' not in text


def test_an_empty_desk_that_has_just_begun_lacks_a_model_alone(db, page):
    Installation.objects.create()
    text = page()
    assert '<p class="state tone-manipulated">No model is active</p>' in text
    assert text.count("not heard yet") == 4
    assert "None." in text


def test_workers_that_never_came_are_missed_once_the_desk_is_older(model_version, page):
    Installation.objects.create(created_at=ago(minutes=9))
    assert "Never heard of the worker for: Verdicts somebody waits for" in page()


def test_a_silent_worker_is_named_with_what_to_do(working, page):
    WorkerSign.objects.update(since=ago(hours=1))
    WorkerSign.objects.filter(queue="bulk").update(at=ago(minutes=12))
    text = page()
    assert '<p class="state tone-manipulated">No sign of the worker for: Batches</p>' in text
    assert "start it again" in text
    assert '<strong class="bad">gives no sign</strong>' in text
    assert "12 min ago" in text
    assert text.count("No sign of the worker") == 1


def test_where_all_workers_are_silent_beat_is_suspected(working, page):
    WorkerSign.objects.update(at=ago(hours=1), since=ago(hours=9))
    text = page()
    assert '<p class="state tone-manipulated">No worker gives a sign</p>' in text
    assert "beat" in text


def test_several_that_stand_still_are_counted(working, page):
    ModelVersion.objects.update(damaged_at=timezone.now())
    WorkerSign.objects.update(at=ago(hours=1), since=ago(hours=9))
    assert '<p class="state tone-manipulated">2 things do not run</p>' in page()


@pytest.mark.parametrize(("minutes", "is_said"), [(1, False), (6, True)])
def test_work_that_waits_for_long_is_said(working, page, alice, minutes, is_said):
    row = EvidenceLayer.objects.create(
        image=image_row(alice), kind="ela", version=1, created_at=ago(minutes=minutes)
    )
    assert row.is_waiting
    assert ("Work waits too long: Evidence layers and parts" in page()) is is_said


def test_a_bulk_backlog_is_no_standstill(working, page, alice):
    detection_row(alice, working, queue="bulk", queued_at=ago(hours=9))
    assert "Everything runs</p>" in page()


def test_what_monitoring_finds_is_worth_a_look(working, page):
    DriftAlert.objects.create(rule="failures_up")
    DriftAlert.objects.create(rule="no_worker")  # of work: looked at on this page itself
    text = page()
    assert "Everything runs; 1 thing is worth a look" in text
    assert "Monitoring finds 1 thing wrong" in text


@pytest.mark.parametrize(
    ("free", "says"), [(2**40, ""), (2**32, "The disk is nearly full"), (9, "The disk is full")]
)
def test_too_little_space_is_said(working, page, monkeypatch, settings, free, says):
    monkeypatch.setattr(operations, "disk", lambda: operations.Disk(2**41 - free, free))
    text = page()
    assert ("The disk is" in text) is bool(says)
    assert says in text
    assert "at 50.0 MB uploads are refused" in text


# --- Redis and the database


@pytest.mark.parametrize("kind", ["nobody", "deaf"])
def test_redis_that_is_away_costs_no_more_than_a_moment(
    working, page, settings, monkeypatch, tmp_path, deaf_port, kind
):
    monkeypatch.undo()
    away = f"redis+socket://{tmp_path}/none.sock"
    settings.REDIS_URL = away if kind == "nobody" else f"redis://127.0.0.1:{deaf_port}/0"
    settings.DATA_DIR = tmp_path
    doorbell._mine.connection = None
    started = time.monotonic()
    text = page()
    assert time.monotonic() - started < 3
    assert '<p class="state tone-manipulated">Redis does not answer</p>' in text
    assert '<strong class="bad">does not answer</strong>' in text


def test_a_part_that_does_not_come_in_time_leaves_the_others(working, page, monkeypatch):
    def slow() -> None:
        raise TooSlow

    monkeypatch.setattr(operations, "originals", slow)
    text = page()
    assert "Everything runs; 1 thing is worth a look" in text
    assert "The database answers slowly" in text
    assert "not counted in time" in text
    for name in ("readiness", "queue_states", "failed_codes", "deliveries", "schedule"):
        monkeypatch.setattr(operations, name, slow)
    monkeypatch.setattr(operations, "failed_page", lambda **_: slow())
    text = page()
    assert '<p class="state tone-manipulated">The database answers slowly</p>' in text
    assert text.count("did not say so in time") == 6


def test_a_statement_is_ended_in_time(alice):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    started = time.monotonic()
    with pytest.raises(TooSlow), time_limit(50), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(9)" if connection.vendor == "postgresql" else endless)
    assert time.monotonic() - started < 2
    with time_limit(50):
        assert User.objects.filter(pk=alice.pk).exists()


# --- figures


def test_queues_count_what_waits_and_what_is_in_work(working, alice):
    running_row(alice, working)
    old = ago(minutes=3)
    for queue, at in (("detect", old), ("detect", ago(seconds=9)), ("bulk", ago(days=3))):
        detection_row(alice, working, queue=queue, queued_at=at)
    done_row(alice, working)
    detect, bulk = queue_of("detect"), queue_of("bulk")
    assert (detect.waiting, detect.oldest_at, detect.running) == (2, old, 1)
    assert (bulk.waiting, bulk.running) == (1, 0)


def test_deliveries_and_mails_wait_for_their_worker_only_once_due(working, alice):
    endpoint, _ = add_endpoint(by=alice, url="https://192.0.2.1/x", events=["detection.completed"])
    for due_at in (ago(minutes=2), timezone.now() + timedelta(hours=1)):
        WebhookDelivery.objects.create(endpoint=endpoint, payload="{}", due_at=due_at)
    Notice.objects.create(user=alice, detection=done_row(alice, working), mail_due_at=ago(hours=1))
    found = queue_of("deliver")
    assert (found.waiting, found.running) == (2, 0)
    assert found.oldest_at < ago(minutes=59)
    assert operations.deliveries().waiting == 2


def test_training_shows_its_last_heartbeat(working, settings):
    now = timezone.now()
    run_row(status=TrainingRun.Status.RUNNING, attempt=1, lease_until=now + settings.LEASE)
    found = queue_of("train")
    assert (found.running, found.worker, found.last_at) == (1, None, now)


def test_given_up_webhooks_are_those_of_a_day_by_endpoint(working, alice, dora, page):
    mine, _ = add_endpoint(by=dora, url="https://mine.example/t0ken", events=["detection.failed"])
    other, _ = add_endpoint(
        by=alice, url="https://their.example/t0ken", events=["detection.failed"]
    )
    for endpoint, ended_at in ((mine, ago(hours=1)), (other, ago(hours=2)), (other, ago(days=2))):
        WebhookDelivery.objects.create(
            endpoint=endpoint, payload="{}", status="failed", ended_at=ended_at
        )
    found = operations.deliveries()
    assert (found.given_up, [row.count for row in found.by_endpoint]) == (2, [1, 1])
    text = page()
    assert "their.example" in text
    assert "t0ken" not in text  # an address may hold a secret
    assert f'href="/webhooks/{mine.pk}?status=failed"' in text
    assert f"/webhooks/{other.pk}" not in text  # hers alone
    assert "Webhooks were given up in the last day" in text


def test_mails_given_up_are_not_those_that_nobody_wanted(working, alice):
    def news(**fields) -> None:
        Notice.objects.create(user=alice, detection=done_row(alice, working), **fields)

    news(mail_attempt=len(RETRY_AFTER) + 1)
    news(mail_attempt=0)
    news(mail_attempt=len(RETRY_AFTER) + 1, mailed_at=timezone.now())
    assert operations.deliveries().mails_given_up == 1


def test_the_schedule_invents_no_run(working):
    PeriodFigures.objects.create(unit="day", starts_on=ago().date(), counted_at=ago(minutes=4))
    WorkerSign.objects.filter(queue="sweep").update(at=ago(seconds=7))
    found = {row.name: row for row in operations.schedule()}
    assert found["sweep"].last_at < ago(seconds=6)
    assert found["count_figures"].last_at < ago(minutes=3)
    assert found["sign_of_bulk"].last_at is not None
    assert (found["seal_audit"].leaves_trace, found["seal_audit"].last_at) == (True, None)
    assert (found["retention"].leaves_trace, found["retention"].last_at) == (False, None)


def test_every_entry_of_the_schedule_has_words(settings):
    named = {name for name in settings.CELERY_BEAT_SCHEDULE if not name.startswith("sign_of_")}
    assert set(operations_presentation.SCHEDULE) == named


def test_originals_are_those_not_erased(alice, page, working):
    image_row(alice, size_bytes=2_000_000)
    image_row(alice, size_bytes=1_000_000, erased_at=timezone.now())
    assert operations.originals() == operations.Originals(1, 2_000_000)
    assert "1.9 MB in 1 image" in page()


def test_originals_are_added_up_without_reading_their_rows(db):
    if connection.vendor != "sqlite":
        pytest.skip("few rows tell nothing of PostgreSQL's plans")
    with CaptureQueriesContext(connection) as captured:
        operations.originals()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {captured.captured_queries[0]['sql']}")
        assert "COVERING INDEX image_sizes_kept" in cursor.fetchall()[0][-1]


def test_it_says_what_runs(working, page, settings):
    text = page()
    assert settings.VERSION in text
    assert working.artifact_sha256 in text
    assert {"postgresql": "PostgreSQL ", "sqlite": "SQLite "}[connection.vendor] in text


def test_failed_layers_are_counted(working, alice, page):
    layer = {"image": image_row(alice), "version": 1}
    EvidenceLayer.objects.create(**layer, kind="ela", status="failed", failure_code="corrupt")
    EvidenceLayer.objects.create(**layer, kind="noise", status="done")
    assert "Failed layers of evidence: 1." in page()


# --- failed detections


def test_failures_come_latest_first_page_by_page(working, alice, dora):
    rows = [failed_row(alice, working, created_at=ago(minutes=n)) for n in range(45)]
    done_row(alice, working)
    seen, cursor = [], ""
    for _ in range(3):
        found = failures.failed_page(by=dora, cursor=cursor)
        seen += [row.detection.pk for row in found.rows]
        cursor = found.next_cursor
    assert seen == [row.pk for row in rows]
    assert cursor == ""


def test_failures_of_one_code_are_shown_and_counted(working, alice, page):
    for code in ("corrupt", "decoder_timeout", "decoder_timeout"):
        failed_row(alice, working, code)
    assert [(row.code, row.count) for row in failures.failed_codes()] == [
        ("decoder_timeout", 2),
        ("corrupt", 1),
    ]
    text = page("?code=corrupt")
    assert text.count("at attempt 3") == 1
    assert "lies in the file" in text
    assert 'href="/operations/retry?code=decoder_timeout"' in text
    assert 'href="/operations/retry?code=corrupt"' not in text
    assert "No more of these" in page("?code=nonsense")


@pytest.mark.parametrize("is_confidential", [False, True])
def test_a_confidential_image_has_neither_name_nor_link(working, alice, page, is_confidential):
    row = submitted(alice, name="harbour.jpg", is_confidential=is_confidential).detection
    claim = Detection.objects.claim(row.pk, worker="w:1:1")
    assert claim is not None
    assert claim.fail("decoder_timeout")
    text = page()
    assert "at attempt 1" in text
    assert ("harbour.jpg" in text) is not is_confidential
    assert (f'href="/detections/{row.pk}"' in text) is not is_confidential
    assert (">confidential<" in text) is is_confidential
    assert "<img" not in text


def test_one_is_tried_again_once_and_recorded(working, alice, dora, client_of, rung):
    row = failed_row(alice, working, image=image_row(alice, is_confidential=True))
    client, path = client_of(dora), f"{PAGE}/failed/{row.pk}/retry"
    assert client.get(path).status_code == 405
    for _ in range(2):
        assert client.post(path).status_code == 302
    row.refresh_from_db()
    assert (row.status, row.failure_code, row.attempt_limit) == ("queued", "", 6)
    assert AuditEvent.objects.get(action="detection.retried").actor_id == dora.pk


def test_a_file_at_fault_is_not_tried_again(working, alice, dora, client_of):
    row = failed_row(alice, working, "corrupt")
    client = client_of(dora)
    client.post(f"{PAGE}/failed/{row.pk}/retry")
    assert client.get(f"{PAGE}/retry?code=corrupt").status_code == 400
    assert client.post(f"{PAGE}/retry?code=corrupt", {"at_most": 9}).status_code == 400
    row.refresh_from_db()
    assert row.status == "failed"


def test_many_are_tried_again_up_to_a_number_oldest_first(working, alice, dora, client_of):
    rows = [failed_row(alice, working, created_at=ago(minutes=n)) for n in range(5)]
    other = failed_row(alice, working, "decoder_memory")
    client, path = client_of(dora), f"{PAGE}/retry?code=decoder_timeout"
    asked = client.get(path)
    assert (asked.status_code, b"csrfmiddlewaretoken" in asked.content) == (200, True)
    assert Detection.objects.filter(status="queued").count() == 0  # asking does nothing
    answer = client.post(path, {"at_most": 3}, follow=True)
    assert "3 are queued again." in answer.content.decode()
    queued = set(Detection.objects.filter(status="queued").values_list("pk", flat=True))
    assert queued == {row.pk for row in rows[2:]}
    assert other.pk not in queued
    assert AuditEvent.objects.filter(action="detection.retried").count() == 3


@pytest.mark.parametrize("at_most", ["0", "201", "", "x"])
def test_no_more_than_the_bound_is_tried_again(working, alice, dora, client_of, at_most):
    failed_row(alice, working)
    answer = client_of(dora).post(f"{PAGE}/retry?code=decoder_timeout", {"at_most": at_most})
    assert answer.status_code == 400
    assert not Detection.objects.filter(status="queued").exists()


def test_trying_again_wants_a_token(working, alice, dora):
    row = failed_row(alice, working)
    client = Client(enforce_csrf_checks=True)
    client.force_login(dora)
    for path in (f"{PAGE}/failed/{row.pk}/retry", f"{PAGE}/retry?code=decoder_timeout"):
        assert client.post(path, {"at_most": 1}).status_code == 403


# --- however much there is


def test_the_page_asks_as_much_of_many_rows_as_of_few(working, alice, dora, client_of):
    client = client_of(dora)

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(PAGE).status_code == 200
        return len(queries)

    def more(count: int) -> None:
        endpoint, _ = add_endpoint(
            by=alice, url="https://192.0.2.1/x", events=["detection.completed"]
        )
        for _ in range(count):
            failed_row(alice, working)
            detection_row(alice, working)
            WebhookDelivery.objects.create(
                endpoint=endpoint, payload="{}", status="failed", ended_at=timezone.now()
            )

    more(1)
    few = asked()
    more(30)
    assert WebhookEndpoint.objects.count() == 2
    assert asked() == few


def test_failures_are_found_by_an_index(working, alice):
    plan = HistoryRow.objects.failed().newest_first()[:20].explain()
    assert "history_by_time" in plan or connection.vendor != "sqlite"


def test_codes_are_counted_among_the_latest_failures_alone(working, alice, monkeypatch, page):
    monkeypatch.setattr(failures, "COUNTED_TO", 3)
    monkeypatch.setattr(operations_presentation, "COUNTED_TO", 3)
    for n in range(4):
        failed_row(alice, working, "corrupt" if n == 3 else "truncated", created_at=ago(hours=n))
    assert [(row.code, row.count) for row in failures.failed_codes()] == [("truncated", 3)]
    assert "Of the latest 3." in page()


# --- who else


def test_it_does_not_exist_for_others(client_of, alice, carol, client):
    for person in (alice, carol):
        assert client_of(person).get(PAGE).status_code == 404
    assert "/login/" in client.get(PAGE)["Location"]


def test_the_masthead_leads_administrators_there(client_of, dora, carol):
    assert 'href="/operations"' in client_of(dora).get("/history").content.decode()
    text = client_of(carol).get("/history").content.decode()
    assert 'href="/operations"' not in text
    assert 'href="/monitoring"' in text
