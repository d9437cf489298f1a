"""No detection is forgotten, none loops for ever, and nothing is left lying about."""

import os
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import AuditEvent
from detection.models import Detection
from detection.services import leases, sweeping
from tests.factories import detection_row, done_row, running_row

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(minutes=10)


def _change(row: Detection, **fields: object) -> None:
    Detection.objects.filter(pk=row.pk).update(**fields)


def _expire(row: Detection) -> None:
    _change(row, lease_until=timezone.now() - timedelta(seconds=1))


def _age(path: Path, hours: float) -> Path:
    then = time.time() - hours * 3600
    os.utime(path, (then, then))
    return path


# --- ringing again


def test_it_rings_for_a_row_nobody_took(alice, model_version, rung):
    row = detection_row(alice, model_version, rung_at=timezone.now() - LONG_AGO)
    assert sweeping.ring_waiting() == 1
    assert rung == [str(row.pk)]


def test_it_rings_for_a_row_never_rung(alice, model_version, rung):
    row = detection_row(alice, model_version)
    sweeping.ring_waiting()
    assert rung == [str(row.pk)]


def test_it_leaves_a_fresh_doorbell_time_to_be_heard(alice, model_version, rung):
    detection_row(alice, model_version, rung_at=timezone.now())
    assert sweeping.ring_waiting() == 0
    assert rung == []


def test_it_rings_for_an_expired_lease(alice, model_version, rung):
    row = running_row(alice, model_version)
    _expire(row)
    assert sweeping.ring_waiting() == 1
    assert rung == [str(row.pk)]


def test_it_does_not_ring_for_work_in_hand_or_done(alice, model_version, rung):
    running_row(alice, model_version)
    done_row(alice, model_version)
    assert sweeping.ring_waiting() == 0


def test_it_does_not_ring_twice_in_a_row(alice, model_version, rung):
    detection_row(alice, model_version)
    assert [sweeping.ring_waiting(), sweeping.ring_waiting()] == [1, 0]


def test_it_rings_the_oldest_first(alice, model_version, rung):
    new = detection_row(alice, model_version)
    old = detection_row(alice, model_version, created_at=timezone.now() - LONG_AGO)
    sweeping.ring_waiting()
    assert rung == [str(old.pk), str(new.pk)]


def test_a_broker_that_is_away_leaves_the_rows_due(alice, model_version, monkeypatch):
    detection_row(alice, model_version)
    monkeypatch.setattr(sweeping, "ring", lambda *_: False)
    assert sweeping.ring_waiting() == 0
    assert Detection.objects.get().rung_at is None


# --- ending the hopeless


def test_a_row_whose_last_attempt_died_fails_with_a_reason(alice, model_version):
    row = running_row(alice, model_version, attempt_limit=1)
    _expire(row)
    assert sweeping.fail_exhausted() == 1
    row = Detection.objects.get()
    assert (row.status, row.failure_code) == ("failed", "attempts_exhausted")
    assert AuditEvent.objects.get().action == "detection.failed"


def test_a_row_with_attempts_left_does_not_fail(alice, model_version):
    _expire(running_row(alice, model_version))
    assert sweeping.fail_exhausted() == 0


def test_a_last_attempt_still_running_does_not_fail(alice, model_version):
    running_row(alice, model_version, attempt_limit=1)
    assert sweeping.fail_exhausted() == 0


def test_a_poison_image_ends_after_three_attempts_and_holds_nothing_up(alice, model_version, rung):
    poison = detection_row(alice, model_version)
    attempts = 0
    while claim := Detection.objects.claim(poison.pk, worker="test:1:1"):
        attempts += 1
        _expire(claim)  # its process dies each time
        sweeping.sweep()
    assert attempts == 3
    assert Detection.objects.get().failure_code == "attempts_exhausted"
    assert sweeping.sweep()["rung"] == 0


# --- leases of dead processes


def _dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_lease_of_a_dead_process_of_this_host_is_freed(alice, model_version):
    row = running_row(alice, model_version)
    _change(row, lease_owner=f"{socket.gethostname()}:{_dead_pid()}:123")
    assert leases.free_dead_leases() == 1
    assert Detection.objects.claim(row.pk, worker="next").attempt == 2


def test_the_lease_of_a_living_process_is_kept(alice, model_version):
    row = running_row(alice, model_version)
    _change(row, lease_owner=leases.process_name(os.getpid()))
    assert leases.free_dead_leases() == 0


def test_a_pid_that_was_given_out_again_is_another_process(alice, model_version):
    row = running_row(alice, model_version)
    host, pid, _start = leases.process_name(os.getpid()).split(":")
    _change(row, lease_owner=f"{host}:{pid}:1")
    assert leases.free_dead_leases() == 1


def test_another_hosts_leases_are_not_ours_to_free(alice, model_version):
    row = running_row(alice, model_version)
    _change(row, lease_owner=f"another-host:{_dead_pid()}:123")
    assert leases.free_dead_leases() == 0


def test_a_zombie_is_dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    deadline = time.monotonic() + 20
    while not leases.process_name(process.pid).endswith(":gone"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.wait()


def test_the_command_says_what_it_did(alice, model_version, capsys):
    detection_row(alice, model_version)
    call_command("sweep")
    assert "rung 1" in capsys.readouterr().out


def test_a_backlog_of_bulk_rows_does_not_keep_an_interactive_one_waiting(
    alice, model_version, rung, monkeypatch
):
    monkeypatch.setattr(sweeping, "ENOUGH_MESSAGES", 3)
    for _ in range(8):
        detection_row(alice, model_version, queue="bulk", created_at=timezone.now() - LONG_AGO)
    interactive = detection_row(alice, model_version)
    sweeping.sweep()
    assert str(interactive.pk) in rung
    assert len(rung) == 4


def test_rows_unheard_longest_come_first(alice, model_version, rung, monkeypatch):
    monkeypatch.setattr(sweeping, "ENOUGH_MESSAGES", 2)
    rows = [detection_row(alice, model_version) for _ in range(5)]
    for _ in range(3):
        sweeping.ring_waiting(again_after=timedelta(0))
    assert set(rung) == {str(row.pk) for row in rows}


def test_a_queue_with_enough_messages_gets_no_more(alice, model_version, rung, monkeypatch):
    monkeypatch.setattr(sweeping, "unanswered", lambda queue: sweeping.ENOUGH_MESSAGES)
    detection_row(alice, model_version)
    assert sweeping.ring_waiting() == 0
    assert rung == []
