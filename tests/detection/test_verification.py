"""verify_evidence finds a verdict or an original that is no longer what was recorded."""

import uuid

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import User
from detection import storage
from detection.fixed_verdicts import STATEMENTS
from detection.models import Detection, ModelVersion, Submission
from detection.services.erasure import erase_image
from detection.services.verification import (
    changed_verdicts,
    damaged_originals,
    unnamed_originals,
)
from detection.tasks import run_detection
from tests.factories import submitted
from tests.images import jpeg_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def judged(alice: User, model_version: ModelVersion, fake_judgement: object) -> list[Submission]:
    found = [submitted(alice, jpeg_bytes(seed=seed)) for seed in range(3)]
    for one in found:
        run_detection(str(one.detection_id))
    return found


@pytest.fixture
def _owner() -> None:
    """Somebody who owns the database and knows its triggers."""
    with connection.cursor() as cursor:
        for statement in STATEMENTS[connection.vendor]:
            if statement.startswith("DROP"):
                cursor.execute(statement)


def _exit_code() -> int:
    try:
        call_command("verify_evidence")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_what_was_recorded_differs_in_nothing(judged, capsys):
    assert _exit_code() == 0
    assert "as recorded" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"verdict": "likely_authentic"}, ("verdict",)),
        ({"probability": 0.02}, ("probability",)),
        ({"probability": 0.93 + 1e-9}, ("probability",)),
        ({"reasons": ["unstable"]}, ("reasons",)),
        ({"probability": 0.02, "verdict": "likely_authentic"}, ("probability", "verdict")),
    ],
)
@pytest.mark.usefixtures("_owner")
def test_a_changed_verdict_is_named(judged, changed, names, capsys):
    pk = judged[1].detection_id
    Detection.objects.filter(pk=pk).update(**changed)
    (found,) = changed_verdicts()
    assert (found.kind, found.what, found.names) == ("changed", f"detection/{pk}", names)
    assert _exit_code() == 2
    assert str(pk) in capsys.readouterr().err


@pytest.mark.usefixtures("_owner")
def test_swapped_images_and_models_are_named(judged, model_version):
    first, second, _ = judged
    other = ModelVersion.objects.create(name="b", version="1", artifact_sha256="a" * 64)
    Detection.objects.filter(pk=first.detection_id).update(model_version=other)
    Detection.objects.filter(pk=second.detection_id).update(image=first.image)
    assert {(one.what, one.names) for one in changed_verdicts()} == {
        (f"detection/{first.detection_id}", ("artifact_sha256",)),
        (f"detection/{second.detection_id}", ("sha256",)),
    }


def test_a_verdict_nobody_recorded_and_one_that_is_gone_are_named(judged, alice, model_version):
    gone, planted = judged[0], submitted(alice, jpeg_bytes(seed=9))
    pk = gone.detection_id
    Submission.objects.filter(pk=gone.pk).delete()
    Detection.objects.filter(pk=pk).delete()
    Detection.objects.filter(pk=planted.detection_id).update(
        status="done", verdict="likely_authentic", probability=0.1, completed_at=gone.created_at
    )
    assert {str(one) for one in changed_verdicts()} == {
        f"missing: detection/{pk}",
        f"unrecorded: detection/{planted.detection_id}",
    }


def test_a_lost_and_an_altered_original_are_named(judged):
    lost, altered, _ = (one.image for one in judged)
    storage.original_path(lost.pk).unlink()
    path = storage.original_path(altered.pk)
    path.chmod(0o640)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    assert {(one.kind, one.what) for one in damaged_originals()} == {
        ("missing", f"image/{lost.pk}"),
        ("changed", f"image/{altered.pk}"),
    }
    assert _exit_code() == 2


def test_files_of_no_image_are_listed_and_are_no_difference(judged, data_dir, capsys):
    folder = storage.original_path(judged[0].image_id).parent
    strangers = {folder / str(uuid.uuid4()), folder / "notes.txt", folder / ".hidden"}
    for path in strangers:
        path.write_bytes(b"x")
    assert {data_dir / name for name in unnamed_originals()} == strangers
    assert _exit_code() == 0
    said = capsys.readouterr().out
    assert said.count("of no image: originals/") == 3
    assert "as recorded" in said


def test_what_no_longer_has_an_image_is_listed(judged, alice, django_capture_on_commit_callbacks):
    path = storage.original_path(judged[0].image_id)
    data = path.read_bytes()
    with django_capture_on_commit_callbacks(execute=True):
        assert erase_image(by=alice, image=judged[0].image, reason="asked to")
    assert list(unnamed_originals()) == []
    path.write_bytes(data)
    assert len(list(unnamed_originals())) == 1


def test_an_erased_image_is_no_difference(judged, alice):
    assert erase_image(by=alice, image=judged[0].image, reason="asked to")
    assert [*changed_verdicts(), *damaged_originals()] == []
