"""A verdict that was given stays, whoever asks the database to change it."""

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import User
from detection.fixed_verdicts import FIXED
from detection.models import Detection, ModelVersion
from detection.tasks import run_detection
from tests.factories import image_row, submitted

pytestmark = pytest.mark.django_db
OTHER = {
    "status": "queued",
    "completed_at": "2020-01-01T00:00:00Z",
    "verdict": "likely_authentic",
    "probability": 0.02,
    "score": 0.1,
    "logit": -3.0,
    "reasons": ["unstable"],
}


@pytest.fixture
def judged(alice: User, model_version: ModelVersion, fake_judgement: object) -> Detection:
    submission = submitted(alice)
    run_detection(str(submission.detection_id))
    return Detection.objects.get(pk=submission.detection_id)


def test_every_fixed_column_is_tried():
    assert {*OTHER, "image_id", "model_version_id"} == set(FIXED)


@pytest.mark.parametrize("column", sorted(FIXED))
def test_no_column_of_a_verdict_changes(judged, alice, column):
    other = ModelVersion.objects.create(name="new", version="2", artifact_sha256="e" * 64)
    changed = {
        **OTHER,
        "image_id": image_row(alice).pk,
        "model_version_id": other.pk,
    }[column]
    with pytest.raises(DatabaseError, match="stays"), transaction.atomic():
        Detection.objects.filter(pk=judged.pk).update(**{column: changed})
    setattr(judged, column, changed)
    with pytest.raises(DatabaseError, match="stays"), transaction.atomic():
        judged.save()


def test_sql_changes_no_verdict(judged):
    for statement in (
        "UPDATE detection_detection SET verdict = 'likely_authentic'",
        "UPDATE detection_detection SET probability = NULL, verdict = 'inconclusive'",
    ):
        with (
            pytest.raises(DatabaseError, match="stays"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    judged.refresh_from_db()
    assert (judged.verdict, judged.probability) == ("likely_manipulated", 0.93)


def test_what_is_no_verdict_yet_goes_on(alice, model_version):
    submission = submitted(alice)
    rows = Detection.objects.filter(pk=submission.detection_id)
    assert rows.update(queue="bulk") == 1
    claimed = Detection.objects.claim(submission.detection_id, worker="test:1:1")
    assert claimed is not None
    assert claimed.complete(probability=0.5, verdict="inconclusive", reasons=["unstable"])
