"""Accepting a request: file durable first, one transaction, every request kept."""

import errno
import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from accounts import audit
from accounts.models import AuditEvent
from detection import storage
from detection.errors import Refused
from detection.models import Detection, Image, ModelVersion, Submission
from detection.services.submission import shown_name
from detection.services.waiting import retry_detection
from tests import images
from tests.conftest import RESULT
from tests.factories import WORKER, files_below, in_parallel, submitted

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _model(model_version: ModelVersion) -> None:
    """Nothing is accepted without an active model."""


def _nothing_is_stored() -> bool:
    tables = (Image, Submission, Detection)
    events = AuditEvent.objects.exclude(action="api_key.used")
    stored = events.exists() or any(table.objects.exists() for table in tables)
    return not stored and not files_below(".")


def _failed(by: Any, code: str = "attempts_exhausted") -> Detection:
    detection = submitted(by).detection
    for _ in range(detection.attempt_limit):
        claim = Detection.objects.claim(detection.pk, worker=WORKER)
        claim.release()
    claim.fail(code)
    return Detection.objects.get(pk=detection.pk)


def test_it_stores_image_detection_submission_and_event(alice, model_version):
    submission = submitted(alice)
    detection = submission.detection
    assert (detection.status, detection.model_version) == ("queued", model_version)
    assert (submission.image.owner, submission.by) == (alice, alice)
    assert AuditEvent.objects.get().action == "submission.accepted"


def test_it_keeps_the_bytes_unaltered_and_read_only(alice):
    data = images.gps_jpeg()
    image = submitted(alice, data).image
    path = storage.original_path(image.pk)
    assert path.read_bytes() == data
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    assert path.stat().st_mode & 0o777 == 0o440


def test_it_leaves_nothing_in_the_incoming_folder(alice):
    submitted(alice)
    submitted(alice)
    assert files_below("incoming") == []


def test_it_rings_after_the_commit_only(alice, rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        detection = submitted(alice).detection
        assert rung == []
    assert rung == [str(detection.pk)]


def test_the_same_bytes_again_are_one_image_judged_once(alice):
    first, second = submitted(alice), submitted(alice, name="other.jpg")
    assert first.pk != second.pk
    assert (first.image, first.detection) == (second.image, second.detection)
    assert len(files_below("originals")) == 1


def test_the_same_bytes_again_ring_once(alice, rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        submitted(alice)
        submitted(alice)
    assert len(rung) == 1


def test_every_request_is_audited(alice):
    submitted(alice)
    submitted(alice)
    assert AuditEvent.objects.filter(action="submission.accepted").count() == 2


def test_a_new_model_version_judges_the_same_bytes_again(alice, model_version):
    first = submitted(alice)
    ModelVersion.objects.update(state="retired")
    ModelVersion.objects.create(name="b", version="1", artifact_sha256="b" * 64, state="active")
    second = submitted(alice)
    assert first.image == second.image
    assert first.detection != second.detection


def test_two_owners_of_the_same_bytes_share_nothing(alice, bob):
    first, second = submitted(alice), submitted(bob)
    assert first.image.sha256 == second.image.sha256
    assert first.image != second.image
    assert first.detection != second.detection
    assert len(files_below("originals")) == 2


def test_a_strangers_verdict_is_not_reused(alice, bob):
    claim = Detection.objects.claim(submitted(alice).detection_id, worker=WORKER)
    claim.complete(**RESULT)
    assert submitted(bob).detection.status == "queued"


@pytest.mark.django_db(transaction=True)
def test_parallel_identical_uploads_are_one_image(alice, model_version):
    submissions = in_parallel(lambda: submitted(alice), times=6)
    assert len({submission.pk for submission in submissions}) == 6
    assert (Image.objects.count(), Detection.objects.count()) == (1, 1)
    assert [path.name for path in files_below("originals")] == [str(Image.objects.get().pk)]
    assert files_below("incoming") == []


def test_the_clients_name_is_no_part_of_any_path(alice):
    submitted(alice, name="../../secret-name.jpg")
    assert not [path for path in files_below(".") if "secret-name" in str(path)]


@pytest.mark.parametrize("name", images.HOSTILE_NAMES)
def test_a_hostile_name_is_kept_as_plain_text(alice, name):
    stored = Submission.objects.get(pk=submitted(alice, name=name).pk).file_name
    assert stored.isprintable()
    assert len(stored) <= 400


def test_a_long_name_is_cut():
    assert shown_name("a" * 500) == "a" * 400


@pytest.mark.parametrize("char", ["\r", "\n", "\x00", "\x1b", "\u202e", "\u200f", "\u2028"])
def test_a_shown_name_has_no_controls(char):
    assert shown_name(f"a{char}b") == "ab"


@pytest.mark.parametrize("name", [None, "", " ", "\u202e", " \t\n"])
def test_nothing_to_show_is_no_name(name):
    assert shown_name(name) == ""


def test_the_file_name_is_not_in_the_hashed_row(alice):
    submitted(alice, name="my-source.jpg")
    event = AuditEvent.objects.get()
    assert "my-source" not in str(AuditEvent.objects.values().get())
    assert "my-source" in event.detail.body


def test_without_its_audit_event_nothing_is_accepted(alice, monkeypatch):
    def refuse(*args: Any, **options: Any) -> None:
        raise DatabaseError("no room")

    monkeypatch.setattr(audit, "record", refuse)
    with pytest.raises(DatabaseError, match="no room"):
        submitted(alice)
    assert not Image.objects.exists()
    assert not Submission.objects.exists()
    assert not Detection.objects.exists()


@pytest.mark.parametrize("name", images.REFUSED)
def test_what_is_refused_leaves_nothing(alice, name):
    build, code = images.REFUSED[name]
    with pytest.raises(Refused) as refusal:
        submitted(alice, build())
    assert refusal.value.code == code
    assert _nothing_is_stored()


def test_without_an_active_model_it_says_so(alice):
    ModelVersion.objects.update(state="retired")
    with pytest.raises(Refused, match="model") as refusal:
        submitted(alice)
    assert refusal.value.status == 503
    assert _nothing_is_stored()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_keeps_nothing_and_says_so(alice, monkeypatch, number):
    def full(*args: Any) -> None:
        raise OSError(number, "full")

    monkeypatch.setattr(storage.os, "link", full)
    with pytest.raises(Refused) as refusal:
        submitted(alice)
    assert (refusal.value.status, refusal.value.code) == (507, "disk_full")
    assert _nothing_is_stored()


def test_another_disk_error_is_not_hidden(alice, monkeypatch):
    def broken(*args: Any) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(storage.os, "link", broken)
    with pytest.raises(OSError, match="broken"):
        submitted(alice)
    assert _nothing_is_stored()


def test_a_broker_that_is_away_costs_nothing(
    alice, monkeypatch, django_capture_on_commit_callbacks
):
    from detection.services import waiting

    monkeypatch.setattr(waiting, "ring", lambda *_: False)
    with django_capture_on_commit_callbacks(execute=True):
        submitted(alice)
    assert Detection.objects.get().status == "queued"


def test_a_doorbell_that_breaks_loses_nothing(
    alice, monkeypatch, django_capture_on_commit_callbacks
):
    from detection.services import waiting

    def broken(*_: Any) -> bool:
        raise RuntimeError("the bell fell off")

    monkeypatch.setattr(waiting, "ring", broken)
    with django_capture_on_commit_callbacks(execute=True):
        submitted(alice)
    assert Detection.objects.get().status == "queued"


@pytest.mark.parametrize(("priority", "queue"), [("interactive", "detect"), ("bulk", "bulk")])
def test_the_priority_chooses_the_queue(alice, priority, queue):
    assert submitted(alice, priority=priority).detection.queue == queue


def test_confidential_is_kept(alice):
    assert submitted(alice, is_confidential=True).image.is_confidential


def test_asked_for_later_confidential_still_counts(alice):
    submitted(alice)
    submitted(alice, is_confidential=True)
    assert Image.objects.get().is_confidential


def test_a_later_plain_submission_does_not_open_a_confidential_image(alice):
    submitted(alice, is_confidential=True)
    submitted(alice)
    assert Image.objects.get().is_confidential


# --- trying again


def test_a_failed_detection_can_be_tried_again(alice):
    failed = _failed(alice)
    assert retry_detection(by=alice, detection=failed)
    row = Detection.objects.get()
    assert (row.status, row.failure_code, row.completed_at) == ("queued", "", None)
    assert row.attempt_limit - row.attempt == 3
    assert Detection.objects.claim(row.pk, worker=WORKER).complete(**RESULT)


def test_trying_again_is_audited(alice, bob):
    retry_detection(by=bob, detection=_failed(alice))
    event = AuditEvent.objects.get(action="detection.retried")
    assert event.actor_id == bob.pk
    assert '"failure_code":"attempts_exhausted"' in event.change


def test_trying_again_rings(alice, rung, django_capture_on_commit_callbacks):
    failed = _failed(alice)
    with django_capture_on_commit_callbacks(execute=True):
        retry_detection(by=alice, detection=failed)
    assert rung == [str(failed.pk)]


def test_trying_again_twice_counts_once(alice):
    failed = _failed(alice)
    assert retry_detection(by=alice, detection=failed)
    assert not retry_detection(by=alice, detection=failed)
    assert AuditEvent.objects.filter(action="detection.retried").count() == 1


def test_what_has_not_failed_is_not_tried_again(alice):
    assert not retry_detection(by=alice, detection=submitted(alice).detection)


def test_submitting_again_what_failed_by_mishap_tries_again(alice):
    _failed(alice, "decoder_timeout")
    assert submitted(alice).detection_id == Detection.objects.get().pk
    assert Detection.objects.get().status == "queued"


def test_submitting_again_what_cannot_be_decoded_does_not(alice):
    _failed(alice, "corrupt")
    submitted(alice)
    assert Detection.objects.get().status == "failed"


def test_the_audit_trail_is_locked_after_every_row(alice):
    _failed(alice, "decoder_timeout")
    with CaptureQueriesContext(connection) as queries:
        submitted(alice)
    statements = [query["sql"] for query in queries]
    first_lock = next(n for n, sql in enumerate(statements) if "accounts_auditchain" in sql)
    assert any('UPDATE "detection_detection"' in sql for sql in statements[:first_lock])
    assert not any('"detection_' in sql for sql in statements[first_lock:])


# --- originals that were lost or altered


def _lose(path: Path) -> None:
    path.unlink()


def _alter(path: Path) -> None:
    path.chmod(0o640)
    path.write_bytes(b"not what was sent")


@pytest.mark.parametrize("damage", [_lose, _alter])
def test_the_right_bytes_again_restore_an_original_and_judge_it(alice, damage):
    data = images.jpeg_bytes()
    image = submitted(alice, data).image
    damage(storage.original_path(image.pk))
    Detection.objects.claim(Detection.objects.get().pk, worker=WORKER).fail("original_missing")
    assert submitted(alice, data).image == image
    assert storage.original_path(image.pk).read_bytes() == data
    assert storage.original_path(image.pk).stat().st_mode & 0o777 == 0o440
    assert Detection.objects.get().status == "queued"
    assert files_below("incoming") == []


def test_a_lost_original_is_restored_before_anybody_misses_it(alice):
    image = submitted(alice).image
    _lose(storage.original_path(image.pk))
    submitted(alice)
    assert storage.is_intact(image.pk, image.sha256)
    assert len(files_below("originals")) == 1


def test_restoring_is_audited(alice):
    image = submitted(alice).image
    _lose(storage.original_path(image.pk))
    submitted(alice)
    event = AuditEvent.objects.get(action="image.restored")
    assert (event.target_id, event.actor_id) == (str(image.pk), alice.pk)


def test_an_intact_original_is_not_replaced(alice):
    image = submitted(alice).image
    before = storage.original_path(image.pk).stat().st_ino
    submitted(alice)
    assert storage.original_path(image.pk).stat().st_ino == before
    assert not AuditEvent.objects.filter(action="image.restored").exists()


def test_a_full_disk_restores_nothing_and_says_so(alice, monkeypatch):
    image = submitted(alice).image
    _lose(storage.original_path(image.pk))
    monkeypatch.setattr(storage.os, "fsync", _full)
    with pytest.raises(Refused) as refusal:
        submitted(alice)
    assert refusal.value.code == "disk_full"
    assert Submission.objects.count() == 1


def _full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "full")


def test_a_doorbell_that_could_not_be_rung_is_due_at_once(
    alice, model_version, monkeypatch, django_capture_on_commit_callbacks
):
    monkeypatch.setattr("detection.services.waiting.ring", lambda *_: False)
    with django_capture_on_commit_callbacks(execute=True):
        submitted(alice)
    assert Detection.objects.get().rung_at is None
