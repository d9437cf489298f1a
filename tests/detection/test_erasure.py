"""An erased image leaves no byte and no name, and the record of it stays whole."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts import audit
from accounts.audit_key import mac_key
from accounts.checkpoints import CHECKPOINTS_FILE, PUBLIC_KEY_FILE, read_public_key, seal
from accounts.models import AuditEvent
from accounts.verification import verify
from detection import storage, tasks
from detection.errors import Refused
from detection.models import Case, Detection, IdempotencyKey, Image, Submission
from detection.services import custody, erasure
from detection.services.waiting import retry_detection
from detection.tasks import run_detection
from tests import images
from tests.factories import done_row, files_below, image_row, in_parallel, submitted

pytestmark = pytest.mark.django_db
NAME = "the-source-in-danger.jpg"
MARKS = (b"the-source-in-danger", b"a-story-not-yet-told", b"example.org/hook")


@pytest.fixture
def judged(alice, model_version, fake_judgement) -> Submission:
    """Judged, with previews; its file name, metadata and address are all marked."""
    submission = submitted(
        alice,
        images.injecting_jpeg(),
        name=NAME,
        metadata={"story": "a-story-not-yet-told"},
        callback_url="https://example.org/hook",
    )
    run_detection(str(submission.detection_id))
    submission.refresh_from_db()
    return submission


@pytest.fixture
def erase(django_capture_on_commit_callbacks: Any) -> Any:
    """Erase as a request does: the files go after the commit."""

    def run(**options: Any) -> bool:
        with django_capture_on_commit_callbacks(execute=True):
            return erasure.erase_image(**options)

    return run


def everything(folder: Path) -> bytes:
    """Every row of every table and every file, as one heap of bytes."""
    heap = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                for value in row:
                    is_bytes = isinstance(value, bytes | memoryview)
                    heap.append(bytes(value) if is_bytes else str(value).encode())
    return b"\n".join(heap)


def test_no_byte_and_no_name_is_left(judged, alice, data_dir, erase):
    original = storage.original_path(judged.image_id).read_bytes()
    previews = [path.read_bytes() for path in files_below("previews")]
    exif = str(Image.objects.get().facts["metadata"]["exif"]["Artist"]).encode()
    phash = Image.objects.get().perceptual_hash.encode()
    heap = everything(data_dir)
    marks = [*MARKS, exif[:20], phash, *(data[500:532] for data in (original, *previews))]
    assert len(previews) == 2
    assert [mark for mark in marks if mark not in heap] == []
    assert erase(by=alice, image=judged.image, reason="asked for by the source")
    heap = everything(data_dir)
    assert [mark for mark in marks if mark in heap] == []
    assert files_below("originals") == files_below("previews") == []


def test_what_stays_is_a_number_a_time_and_a_verdict(judged, alice, erase):
    before = Detection.objects.get()
    erase(by=alice, image=judged.image, reason="why not")
    row, kept = Detection.objects.get(), Submission.objects.get()
    assert (row.verdict, row.probability) == (before.verdict, before.probability)
    assert row.completed_at == before.completed_at
    assert (row.activation, row.faces, row.transforms) == (None, [], {})
    assert (kept.by, kept.created_at, kept.file_name) == (alice, judged.created_at, "")
    image = Image.objects.get()
    assert (image.facts, image.perceptual_hash, image.width, image.format) == ({}, "", 0, "")


def test_the_chain_verifies_and_says_who_and_why(judged, alice, data_dir, erase):
    sha256 = judged.image.sha256
    seal()
    erase(by=alice, image=judged.image, reason="asked for by the source")
    seal()
    folder = data_dir / "audit"
    key = read_public_key(folder / PUBLIC_KEY_FILE)
    found = verify(folder / CHECKPOINTS_FILE, key, mac_key())
    assert (found.findings, found.erased) == ([], 1)
    event = AuditEvent.objects.get(action="image.erased")
    assert (event.actor_id, event.target_sha256) == (alice.pk, sha256)
    assert json.loads(event.change)["after"] == {
        "because": "owner",
        "detections": 1,
        "submissions": 1,
    }
    assert json.loads(event.detail.body)["reason"] == "asked for by the source"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's own file")
@pytest.mark.django_db(transaction=True)
def test_sqlites_file_holds_nothing_of_it_either(judged, alice):
    """Neither in free pages nor in the log, once the desk has tidied up."""
    place = Path(connection.settings_dict["NAME"])
    files = (place, place.with_name(f"{place.name}-wal"))
    for _ in range(40):  # so that pages are freed, and used by others
        submitted(alice, images.jpeg_bytes(seed=1), name="x" * 300)
    assert all(any(mark in path.read_bytes() for path in files) for mark in MARKS)
    erasure.erase_image(by=alice, image=judged.image, reason="x")
    tasks.finish_erasures()
    heap = b"".join(path.read_bytes() for path in files if path.exists())
    assert [mark for mark in MARKS if mark in heap] == []


def test_erasing_twice_is_one_event(judged, alice, erase):
    assert erase(by=alice, image=judged.image, reason="x")
    assert not erase(by=alice, image=judged.image, reason="x")
    assert AuditEvent.objects.filter(action="image.erased").count() == 1


def test_an_event_that_fails_erases_nothing(judged, alice, erase, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no event")

    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(RuntimeError), transaction.atomic():
        erase(by=alice, image=judged.image, reason="x")
    assert Submission.objects.get().file_name == NAME
    assert storage.original_path(judged.image_id).is_file()


def test_another_owner_of_the_same_bytes_keeps_them(judged, alice, bob, erase):
    other = submitted(bob, images.injecting_jpeg())
    erase(by=alice, image=judged.image, reason="x")
    assert storage.original_path(other.image_id).is_file()
    other.image.refresh_from_db()
    assert other.image.sha256 == judged.image.sha256


def test_its_owner_may_submit_the_same_bytes_again(judged, alice, erase):
    erase(by=alice, image=judged.image, reason="x")
    again = submitted(alice, images.injecting_jpeg())
    assert again.image_id != judged.image_id
    assert storage.original_path(again.image_id).is_file()


def test_it_leaves_its_cases_and_its_kept_answers(judged, alice, erase):
    case = Case.objects.create(owner=alice, title="t")
    case.images.add(judged.image)
    response = {"id": str(judged.detection_id), "metadata": {"story": "x"}}
    IdempotencyKey.objects.create(
        owner=alice,
        endpoint="e",
        key="k",
        body_sha256="0" * 64,
        status_code=202,
        response=response,
        detection=judged.detection,
    )
    erase(by=alice, image=judged.image, reason="x")
    assert not case.images.exists()
    assert not IdempotencyKey.objects.exists()


@pytest.mark.parametrize("is_running", [False, True])
def test_work_that_waits_for_it_ends(alice, model_version, fake_judgement, erase, is_running):
    submission = submitted(alice)
    claim = Detection.objects.claim(submission.detection_id, worker="w") if is_running else None
    erase(by=alice, image=submission.image, reason="x")
    if claim is not None:
        assert not claim.complete(verdict="inconclusive")
    run_detection(str(submission.detection_id))
    row = Detection.objects.get()
    assert (row.status, row.failure_code) == ("failed", "erased")
    assert not retry_detection(by=alice, detection=row)


def test_a_worker_that_was_too_slow_brings_nothing_back(alice, model_version, monkeypatch, erase):
    """Erased between the verdict and the previews, and while it was being judged."""
    submission = submitted(alice)
    image = submission.image
    pixels = tasks.detector.decode(image).pixels
    erase(by=alice, image=image, reason="x")
    tasks._describe(image, pixels)
    assert files_below("previews") == []
    assert Image.objects.get().perceptual_hash == ""


def test_what_a_crash_leaves_is_tidied_up(judged, alice, django_capture_on_commit_callbacks):
    kept = submitted(alice, images.jpeg_bytes(seed=3))
    with django_capture_on_commit_callbacks(execute=False):
        erasure.erase_image(by=alice, image=judged.image, reason="x")
    assert len(files_below("originals")) == 2
    assert erasure.finish() > 0
    assert [path.name for path in files_below("originals")] == [str(kept.image_id)]
    assert files_below("previews") == []
    assert erasure.finish() == 0


def test_the_task_tidies_up(judged, alice):
    erasure.erase_image(by=alice, image=judged.image, reason="x")
    tasks.finish_erasures()
    assert files_below("originals") == []


# --- Legal hold


def test_a_hold_keeps_it_from_everybody(judged, alice, carol, dora, settings, erase):
    settings.RETENTION_DAYS = 1
    assert custody.hold(by=carol, image=judged.image, reason="a court asked")
    _grow_old(judged, days=5)
    for person in (alice, dora):
        with pytest.raises(Refused) as refused:
            erase(by=person, image=judged.image, reason="x")
        assert refused.value.status == 409
    assert erasure.erase_expired() == 0
    assert storage.original_path(judged.image_id).is_file()
    assert custody.lift_hold(by=dora, image=judged.image, reason="the court is done")
    assert erase(by=alice, image=judged.image, reason="x")


def test_a_hold_is_an_event_with_its_reason_apart(judged, carol):
    assert custody.hold(by=carol, image=judged.image, reason="a court asked")
    assert not custody.hold(by=carol, image=judged.image, reason="again")
    event = AuditEvent.objects.get(action="image.held")
    assert (event.actor_id, event.detail.body) == (carol.pk, '{"reason":"a court asked"}')
    assert custody.lift_hold(by=carol, image=judged.image, reason="over")
    assert not custody.lift_hold(by=carol, image=judged.image, reason="over")
    assert AuditEvent.objects.filter(action="image.hold_lifted").count() == 1


@pytest.mark.django_db(transaction=True)
def test_hold_and_erasure_at_once_never_both_win(alice, carol, model_version):
    image = submitted(alice).image
    acts = [
        lambda: custody.hold(by=carol, image=image, reason="x"),
        lambda: erasure.erase_image(by=alice, image=image, reason="x"),
    ]

    def act() -> bool:
        try:
            return acts.pop()()
        except Refused:
            return False

    assert sorted(in_parallel(act, times=2)) == [False, True]
    image.refresh_from_db()
    assert (image.held_at is None) != (image.erased_at is None)


@pytest.mark.django_db(transaction=True)
def test_submitting_and_erasing_at_once_leaves_no_name_behind(alice, model_version):
    image = submitted(alice, name="first.jpg").image
    acts = [
        lambda: submitted(alice, name="second.jpg"),
        lambda: erasure.erase_image(by=alice, image=image, reason="x"),
    ]

    def act() -> object:
        try:
            return acts.pop()()
        except Refused as refused:
            return refused.code

    answers = in_parallel(act, times=2)
    assert "first.jpg" not in Submission.objects.values_list("file_name", flat=True)
    named = Submission.objects.exclude(file_name="")
    assert not named.exclude(image__erased_at=None).exists()
    for row in named:
        assert storage.original_path(row.image_id).is_file()
    assert "erased_meanwhile" in answers or True in answers


# --- Retention


def _grow_old(submission: Submission, *, days: int) -> None:
    at = timezone.now() - timedelta(days=days)
    Submission.objects.filter(pk=submission.pk).update(created_at=at)
    Image.objects.filter(pk=submission.image_id).update(created_at=at)


def test_nothing_is_erased_unless_somebody_says_how_long(judged):
    _grow_old(judged, days=10_000)
    tasks.retention()
    assert Image.objects.get().erased_at is None


def test_what_was_kept_long_enough_goes(alice, bob, model_version, settings):
    settings.RETENTION_DAYS = 30
    old, again, new = (submitted(alice, images.jpeg_bytes(seed=seed)) for seed in range(3))
    for one in (old, again):
        _grow_old(one, days=31)
    submitted(alice, images.jpeg_bytes(seed=1))  # asked for again yesterday, so it stays
    _grow_old(new, days=29)
    tasks.retention()
    erased = Image.objects.exclude(erased_at=None)
    assert [image.pk for image in erased] == [old.image_id]
    event = AuditEvent.objects.get(action="image.erased")
    assert (event.actor_id, json.loads(event.change)["after"]["because"]) == (None, "retention")


def test_it_goes_in_small_batches_and_starts_again_where_it_was(alice, model_version, settings):
    settings.RETENTION_DAYS = 30
    for seed in range(3):
        _grow_old(submitted(alice, images.jpeg_bytes(seed=seed)), days=40 + seed)
    assert [erasure.erase_expired(limit=2) for _ in range(3)] == [2, 1, 0]


# --- Pages


def test_the_owner_erases_it_on_a_page(judged, alice, client_of):
    browser = client_of(alice)
    page = f"/images/{judged.image_id}/erase"
    detection = f"/detections/{judged.detection_id}"
    assert page in browser.get(detection).content.decode()
    assert b"Erase it for good" in browser.get(page).content
    assert browser.post(page, {"reason": ""}).status_code == 400
    answer = browser.post(page, {"reason": "asked for by the source"}, follow=True)
    assert b"The image was erased." in answer.content
    for gone in (page, detection, f"/images/{judged.image_id}/original"):
        assert browser.get(gone).status_code == 404
    assert str(judged.detection_id) not in browser.get("/history").content.decode()


def test_a_page_says_that_a_hold_forbids_it(judged, alice, carol, client_of):
    answer = client_of(carol).post(
        f"/images/{judged.image_id}/hold", {"action": "hold", "reason": "a court asked"}
    )
    assert answer.headers["Location"] == f"/detections/{judged.detection_id}"
    browser, page = client_of(alice), f"/images/{judged.image_id}/erase"
    assert b"on legal hold" in browser.get(page).content
    assert b"Erase it for good" not in browser.get(page).content
    answer = browser.post(page, {"reason": "x"})
    assert (answer.status_code, b"on legal hold" in answer.content) == (409, True)
    assert b"a court asked" not in answer.content
    assert b"a court asked" in client_of(carol).get(f"/images/{judged.image_id}/hold").content
    lifted = {"action": "lift", "reason": "over"}
    client_of(carol).post(f"/images/{judged.image_id}/hold", lifted)
    assert browser.post(page, {"reason": "x"}).status_code == 302


def test_a_moderator_holds_and_does_not_erase(judged, carol, client_of):
    assert client_of(carol).get(f"/images/{judged.image_id}/erase").status_code == 404
    assert client_of(carol).get(f"/images/{judged.image_id}/hold").status_code == 200


# --- Confidential


def test_the_owner_hides_it_and_shows_it_again(judged, alice, carol, client_of):
    detection = f"/detections/{judged.detection_id}"
    address = f"/images/{judged.image_id}/confidential"
    codes = []
    for value in ("1", "0"):
        client_of(alice).post(address, {"is_confidential": value})
        codes.append(client_of(carol).get(detection).status_code)
    assert codes == [404, 200]
    changes = AuditEvent.objects.filter(action="image.confidentiality_changed").order_by("seq")
    assert [json.loads(one.change) for one in changes] == [
        {"before": {"is_confidential": False}, "after": {"is_confidential": True}},
        {"before": {"is_confidential": True}, "after": {"is_confidential": False}},
    ]


def test_saying_it_twice_is_one_event(judged, alice, client_of):
    for _ in range(2):
        client_of(alice).post(f"/images/{judged.image_id}/confidential", {"is_confidential": "1"})
    assert AuditEvent.objects.filter(action="image.confidentiality_changed").count() == 1


def test_a_request_that_hides_a_known_image_is_such_an_event(judged, alice):
    submitted(alice, images.injecting_jpeg(), is_confidential=True)
    assert AuditEvent.objects.filter(action="image.confidentiality_changed").count() == 1
    submitted(alice, images.injecting_jpeg(), is_confidential=False)
    assert Image.objects.get().is_confidential


def test_a_held_image_stays_visible(judged, alice, carol, client_of):
    custody.hold(by=carol, image=judged.image, reason="a court asked")
    answer = client_of(alice).post(
        f"/images/{judged.image_id}/confidential", {"is_confidential": "1"}
    )
    assert (answer.status_code, b"stays visible" in answer.content) == (409, True)
    with pytest.raises(Refused, match="stays visible"):
        submitted(alice, images.injecting_jpeg(), is_confidential=True)
    assert not Image.objects.get().is_confidential


def test_a_wish_that_is_none_is_refused(judged, alice, client_of):
    address = f"/images/{judged.image_id}/confidential"
    assert client_of(alice).post(address, {"is_confidential": "maybe"}).status_code == 400


def test_nobody_else_hides_it(judged, dora, carol, bob, client_of):
    for person in (dora, carol, bob):
        answer = client_of(person).post(
            f"/images/{judged.image_id}/confidential", {"is_confidential": "1"}
        )
        assert answer.status_code == 404


# --- Looks


def test_no_original_goes_out_without_its_event(judged, alice, client_of, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no event")

    browser = client_of(alice)
    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(RuntimeError):
        browser.get(f"/images/{judged.image_id}/original")


def test_an_erased_image_is_nobodys(alice, dora, model_version):
    row = done_row(alice, model_version, image=image_row(alice, erased_at=timezone.now()))
    for person in (alice, dora):
        assert not Image.objects.visible_to(person).exists()
        assert not Detection.objects.visible_to(person).filter(pk=row.pk).exists()
