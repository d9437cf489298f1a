"""A long queue that is worked off is no stall; one that nobody touches is."""

from datetime import timedelta

import pytest
from django.utils import timezone

from detection.models import Detection
from detection.services import progress
from detection.services.waiting import retry_detection
from tests.factories import detection_row, done_row, running_row

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(minutes=10)


def test_nothing_stalls_without_open_work(alice, model_version):
    done_row(alice, model_version, queued_at=timezone.now() - LONG_AGO)
    assert progress.stalled_s() == 0


def test_a_row_nobody_takes_counts(alice, model_version):
    detection_row(alice, model_version, queued_at=timezone.now() - LONG_AGO)
    assert progress.stalled_s() == pytest.approx(600, abs=30)


def test_a_queue_that_is_worked_off_does_not(alice, model_version):
    detection_row(alice, model_version, queued_at=timezone.now() - LONG_AGO)
    running_row(alice, model_version)
    assert progress.stalled_s() == 0


def test_neither_does_it_between_two_images(alice, model_version):
    detection_row(alice, model_version, queued_at=timezone.now() - LONG_AGO)
    done_row(alice, model_version, started_at=timezone.now())
    assert progress.stalled_s() == 0


def test_a_busy_bulk_worker_does_not_hide_it(alice, model_version):
    detection_row(alice, model_version, queued_at=timezone.now() - LONG_AGO)
    running_row(alice, model_version, queue="bulk")
    assert progress.stalled_s() == pytest.approx(600, abs=30)


def test_a_worker_that_hangs_does(alice, model_version):
    detection_row(alice, model_version, queued_at=timezone.now() - LONG_AGO)
    hung = running_row(alice, model_version)
    Detection.objects.filter(pk=hung.pk).update(started_at=timezone.now() - LONG_AGO)
    assert progress.stalled_s() == pytest.approx(600, abs=30)


def test_a_bulk_backlog_does_not(alice, model_version):
    detection_row(alice, model_version, queue="bulk", queued_at=timezone.now() - LONG_AGO)
    assert progress.stalled_s() == 0


def test_trying_again_starts_the_wait_anew(alice, model_version):
    row = running_row(alice, model_version, queued_at=timezone.now() - LONG_AGO)
    row.fail("decoder_crashed")
    retry_detection(by=alice, detection=Detection.objects.get())
    assert progress.stalled_s() < 60
