"""A stored verdict comes out again from the recorded model and the kept original. Slow: real."""

import numpy as np
import pytest
from django.core.management import call_command

from accounts.models import User
from detection import detector
from detection.models import Detection
from detection.tasks import run_detection
from tests import images
from tests.factories import submitted

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
N = 100
QUALITIES = (60, 75, 90, 95)


def _drawn(seed: int) -> bytes:
    width, height = 160 + 8 * (seed % 20), 140 + 12 * (seed % 11)
    picture = images.photo_like(width, height, seed)
    return images.encode(picture, "JPEG", quality=QUALITIES[seed % len(QUALITIES)])


def test_100_stored_verdicts_are_given_again(alice: User):
    call_command("register_model", shipped=True, activate=True)
    for seed in range(N):
        run_detection(str(submitted(alice, _drawn(seed)).detection_id))
    rows = Detection.objects.select_related("image", "model_version").order_by("created_at")
    assert [row.status for row in rows] == [Detection.Status.DONE] * N
    detector._model.cache_clear()  # as after a restart
    again = [detector.judge(row.image, row.model_version).result for row in rows]
    assert [row.verdict for row in rows] == [result["verdict"] for result in again]
    assert [row.reasons for row in rows] == [result["reasons"] for result in again]
    stored = np.array([row.logit for row in rows], float)
    repeated = np.array([result["logit"] for result in again], float)
    assert np.abs(stored - repeated).max() < 1e-5
    assert np.ptp(stored) > 0.1  # not one answer for all
