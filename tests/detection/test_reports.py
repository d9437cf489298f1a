"""Signed reports: what they say, that they stay what they are, what becomes of them."""

import io
import json
import re
from datetime import timedelta
from typing import Any

import numpy as np
import PIL.Image
import pytest
from django.utils import timezone

from accounts import erasure as persons
from accounts.models import AuditEvent, User
from client import report_file
from detection import storage
from detection.errors import Refused
from detection.models import Detection, Image, ModelVersion, Report, ReportKey, ReportLink
from detection.reports.keys import known_keys, rotate_kept_key
from detection.services import erasure, report_links, reports
from detection.services.report_checks import examine, standing_of
from detection.tasks import run_detection
from tests import images, pdf_text
from tests.factories import detection_row, done_row, files_below, report_row, submitted

pytestmark = pytest.mark.django_db
NAMES = (
    "<script>alert(1)</script>.jpg",
    "line\r\nX-Injected: yes.jpg",
    "photo\u202egpj.exe",
    "=cmd|' /C calc'!A0.jpg",
    "صورة 照片 📷.jpg",
    "(Tj) ET \\) Tj /JS.jpg",
)


@pytest.fixture
def judged(alice: User, model_version: ModelVersion, fake_judgement: dict[str, Any]) -> Detection:
    """Of a picture with a place, a serial number and a name in its metadata, with marks."""
    fake_judgement["activation"] = np.array([[0, 1, 4], [0, 2, 1]], "<f2").tobytes()
    fake_judgement["faces"] = [{"box": [0.2, 0.2, 0.3, 0.4], "probability": 0.97}]
    submission = submitted(alice, images.gps_jpeg(), name=NAMES[0])
    run_detection(str(submission.detection_id))
    return _read(submission.detection_id)


def _read(pk: object) -> Detection:
    return Detection.objects.select_related("image__owner", "model_version").get(pk=pk)


def _issued(detection: Detection, **options: Any) -> Report:
    options.setdefault("language", "en")
    return reports.issue(by=detection.image.owner, detection=detection, **options)


def _bytes(report: Report, ending: str = ".pdf") -> bytes:
    return reports.file_of(report, ending)


def _content(report: Report) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_bytes(report, ".json"))["report"]
    return content


def _said(pdf: bytes) -> str:
    return " ".join(pdf_text.texts(pdf))


# --- what it says


def test_it_says_verdict_number_model_and_file(judged):
    said = _said(_bytes(_issued(judged)))
    for part in ("Likely manipulated", "93 %", "fake", "person 1", "92 %"):
        assert part in said
    assert judged.image.sha256 in said.replace(" ", "")
    assert "f" * 40 in said.replace(" ", "")
    assert "What the model does not know" in said


def test_the_pdf_holds_the_signed_json(judged):
    report = _issued(judged)
    attached = pdf_text.attached(_bytes(report))
    assert attached == _bytes(report, ".json")
    facts = json.loads(attached)["report"]["facts"]
    assert (facts["verdict"], facts["probability"]) == (judged.verdict, judged.probability)
    assert facts["file"]["sha256"] == judged.image.sha256
    assert [event["action"] for event in facts["custody"]["events"]] == [
        "submission.accepted",
        "detection.completed",
    ]


def test_nobody_is_named_unless_they_want_to(judged, alice):
    alice.name = "Alice Example"
    alice.save()
    judged = _read(judged.pk)
    files = [_bytes(_issued(judged), ending) for ending in (".pdf", ".json")]
    assert "Alice" not in _said(files[0]) + files[1].decode()
    assert "example.org" not in files[1].decode()
    named = _issued(judged, is_named=True, recipient="The court")
    assert "Alice Example" in _said(_bytes(named))
    assert "The court" in _said(_bytes(named))


def test_arabic_is_joined_and_turned(judged):
    report = _issued(judged, language="ar")
    said = pdf_text.texts(_bytes(report))
    assert any("\N{ARABIC LETTER FEH INITIAL FORM}" in text for text in said)
    assert json.loads(_bytes(report, ".json"))["report"]["text"]["language"] == "ar"
    assert b"/Lang (ar)" in _bytes(report)


def test_without_pictures_it_holds_none(judged):
    report = _issued(judged, has_pictures=False)
    assert not report.has_pictures
    assert b"/Subtype /Image" not in _bytes(report)
    assert len(files_below("reports")) == 2


def _judged_file(by: User, data: bytes, name: str = "a.png") -> Detection:
    submission = submitted(by, data, name=name)
    run_detection(str(submission.detection_id))
    return _read(submission.detection_id)


def test_a_mark_of_the_file_stands_right_after_the_verdict(alice, model_version, fake_judgement):
    report = _issued(_judged_file(alice, images.png_with_prompt()))
    sections = _content(report)["text"]["sections"]
    assert [section["name"] for section in sections[:2]] == ["verdict", "file_says"]
    mark, caveat, credentials = sections[1]["paragraphs"]
    assert mark.startswith("The file itself says it was generated: Stable Diffusion WebUI")
    assert "neither the verdict nor the number" in caveat
    assert credentials.startswith("Content credentials: none. ")
    assert _content(report)["facts"]["file"]["marks"][0]["kind"] == "generated"
    assert "says it was generated" in _said(_bytes(report))


def test_what_in_the_file_does_not_fit_is_said_without_what_the_original_holds(judged):
    judged.submissions.update(file_name="photo.png")
    sections = _content(_issued(judged))["text"]["sections"]
    (says,) = [section for section in sections if section["name"] == "file_says"]
    assert sections.index(says) > 1
    assert "name ends in" in says["points"][0]
    assert "48.85" not in str(says)
    assert "SERIAL" not in str(says)


def test_of_a_file_that_was_not_read_it_claims_nothing(alice, model_version):
    sections = _content(_issued(done_row(alice, model_version)))["text"]["sections"]
    assert "credentials" not in str(sections)


def test_it_claims_no_marks_where_no_part_is_marked(judged):
    assert [one["name"] for one in _content(_issued(judged))["pictures"]] == ["preview", "marks"]
    Detection.objects.update(activation=np.zeros((2, 3), "<f2").tobytes())
    (preview,) = _content(_issued(_read(judged.pk)))["pictures"]
    assert preview["name"] == "preview"
    assert "No part is marked" in preview["caption"]


# --- hostile text, private data


@pytest.mark.parametrize("name", NAMES)
def test_a_file_name_is_nothing_but_text(judged, name):
    judged.submissions.update(file_name=name)
    pdf = _bytes(_issued(judged, recipient=name))
    said = _said(pdf)
    assert not re.search("[\u0000-\u001f\u202a-\u202e]", said)
    structure = re.sub(rb"(?s)stream\n.*?endstream", b"", pdf)
    assert not re.search(rb"/(JavaScript|JS|Launch|OpenAction|URI|AA|Annots)\b", structure)
    assert report_file.check(pdf, known_keys()).result == report_file.INTACT
    assert json.loads(pdf_text.attached(pdf))["report"]["facts"]["file"]["name"] == name


def test_what_cannot_be_seen_is_spelled_out(judged):
    judged.submissions.update(file_name="photo\u202egpj.exe\r\n")
    said = _said(_bytes(_issued(judged)))
    assert "photo‹U+202E›gpj.exe‹U+000D›‹U+000A›" in said.replace(" ", "")


def test_no_picture_of_it_holds_metadata_of_the_original(judged):
    original = storage.original_path(judged.image_id).read_bytes()
    assert b"Exif" in original
    pdf = _bytes(_issued(judged))
    pictures = [content for head, content in pdf_text.streams(pdf) if b"/DCTDecode" in head]
    pictures += [path.read_bytes() for path in files_below("reports") if path.suffix == ".jpg"]
    assert len(pictures) == 4
    for jpeg in pictures:
        with PIL.Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
            assert not picture.getexif()
            assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_no_stream_holds_a_place_or_a_serial_number(judged):
    marks = (b"SERIAL-1234", b"2024:05:06", b"Firmware 1.0", b"GPS", b"Exif\0")
    assert b"SERIAL-1234" in storage.original_path(judged.image_id).read_bytes()
    pdf = _bytes(_issued(judged))
    heap = b"\n".join([pdf, *(content for _head, content in pdf_text.streams(pdf))])
    assert [mark for mark in marks if mark in heap] == []


# --- that it stays what it is


@pytest.mark.parametrize("ending", [".pdf", ".json"])
def test_every_tenth_byte_changed_is_altered(judged, ending):
    data = _bytes(_issued(judged, has_pictures=False), ending)
    assert examine(data).result == "current"
    keys = known_keys()
    for place in range(0, len(data), 10):
        changed = bytearray(data)
        changed[place] ^= 0x01
        assert report_file.check(bytes(changed), keys).result == report_file.ALTERED, place


def test_one_visible_character_changed_is_altered(judged):
    data = _bytes(_issued(judged), ".json")
    assert examine(data.replace(b"Likely manipulated", b"Likely authentic  ")).result == "altered"


def test_a_report_of_another_desk_has_an_unknown_key(judged):
    data = _bytes(_issued(judged))
    Report.objects.all().delete()
    ReportKey.objects.all().delete()
    assert examine(data).result == "unknown_key"


def test_what_is_signed_and_not_recorded_was_not_issued(judged):
    data = _bytes(_issued(judged))
    Report.objects.all().delete()
    assert examine(data).result == "not_issued"


def test_an_older_key_goes_on_to_be_known(judged):
    before = _issued(judged)
    rotate_kept_key()
    after = _issued(judged)
    assert before.key_id != after.key_id
    assert [examine(_bytes(one)).result for one in (before, after)] == ["current"] * 2
    assert list(ReportKey.objects.filter(retired_at=None)) == [after.key]
    assert AuditEvent.objects.filter(action="report_key.published").count() == 2


def test_the_key_is_neither_in_the_database_nor_the_audit_trails(judged, data_dir):
    _issued(judged)
    seed = (data_dir / "report_key").read_text().strip()
    assert seed != (data_dir / "audit_key").read_text().strip()
    assert (data_dir / "report_key").stat().st_mode & 0o077 == 0
    assert seed not in str(list(ReportKey.objects.values()))


# --- what becomes of it


def test_a_later_model_supersedes_it(judged, alice):
    report = _issued(judged)
    later = ModelVersion.objects.create(name="later", version="2", artifact_sha256="e" * 64)
    done_row(alice, later, image=judged.image, completed_at=timezone.now() + timedelta(hours=1))
    found = examine(_bytes(report))
    assert (found.result, found.because) == ("superseded", "later_model")


def test_an_earlier_verdict_does_not(judged, alice):
    earlier = ModelVersion.objects.create(name="earlier", version="0", artifact_sha256="d" * 64)
    done_row(alice, earlier, image=judged.image, completed_at=timezone.now() - timedelta(hours=1))
    assert standing_of(_issued(judged)).state == "current"


def test_revoking_it_closes_its_links_and_is_recorded(judged, alice):
    report = _issued(judged)
    link, _token = report_links.share(by=alice, report=report, life="1")
    assert reports.revoke(by=alice, report=report)
    assert not reports.revoke(by=alice, report=report)
    assert examine(_bytes(report)).result == "revoked"
    link.refresh_from_db()
    assert link.has_ended
    assert AuditEvent.objects.filter(action="report.revoked").count() == 1


def test_erasing_the_image_removes_the_files_and_keeps_the_hashes(
    judged, alice, django_capture_on_commit_callbacks
):
    report = _issued(judged, recipient="The court")
    data = _bytes(report)
    link, _token = report_links.share(by=alice, report=report, life="1")
    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase_image(by=alice, image=judged.image, reason="asked for")
    assert files_below("reports") == []
    row = Report.objects.get()
    assert (row.recipient, row.pdf_sha256) == ("", report.pdf_sha256)
    assert examine(data).result == "erased"
    link.refresh_from_db()
    assert link.has_ended


def test_erasing_a_person_removes_reports_that_name_them(
    judged, alice, dora, django_capture_on_commit_callbacks
):
    named, plain = _issued(judged, is_named=True, recipient="R"), _issued(judged, recipient="R")
    report_links.share(by=alice, report=plain, life="1")
    with django_capture_on_commit_callbacks(execute=True):
        persons.erase_person(by=dora, person=alice, reason="asked for")
    for row in (named, plain):
        row.refresh_from_db()
        assert row.recipient == ""
    assert (named.removed_at is None, plain.removed_at is None) == (False, True)
    assert not [path for path in files_below("reports") if str(named.pk) in path.name]
    assert _bytes(plain)
    assert ReportLink.objects.get().has_ended


# --- refusals


def test_without_a_verdict_there_is_no_report(alice, model_version):
    with pytest.raises(Refused, match="no verdict"):
        _issued(detection_row(alice, model_version))


def test_what_fails_leaves_no_files(judged, monkeypatch):
    monkeypatch.setattr(Image.objects, "held_fast", _refuse, raising=False)
    monkeypatch.setattr("detection.models.image.ImageQuerySet.held_fast", _refuse)
    with pytest.raises(Refused):
        _issued(judged)
    assert files_below("reports") == []
    assert not Report.objects.exists()


def _refuse(*_: object) -> None:
    raise Refused("erased_meanwhile")


def test_issuing_is_recorded_without_text_about_persons(judged):
    _issued(judged, recipient="The court of Somewhere")
    event = AuditEvent.objects.get(action="report.issued")
    assert "Somewhere" not in event.change
    assert "Somewhere" in event.detail.body


def test_looking_at_it_is_recorded(judged, carol):
    report = report_row(judged, judged.image.owner)
    reports.record_download(by=carol, report=report, kind="pdf")
    event = AuditEvent.objects.get(action="report.viewed")
    assert (event.actor_id, event.target_id) == (carol.pk, str(report.pk))
