"""Reports on the pages: made, listed, downloaded, shared, revoked, checked."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from client import report_file
from deepfake_site.rate_limits import Limit
from detection.models import Detection, Image, ModelVersion, Report, ReportLink
from detection.services import reports
from tests.factories import detection_row, done_row, files_below, report_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def detection(alice: User, model_version: ModelVersion) -> Detection:
    """Judged; there is no file of it any more, so its reports show no picture."""
    return done_row(alice, model_version)


@pytest.fixture
def browser(alice: User, client_of: Callable[..., Client]) -> Client:
    return client_of(alice)


def _make(browser: Client, detection: Detection, **fields: str) -> Any:
    return browser.post(reverse("report_issue", args=[detection.pk]), {"language": "en", **fields})


def test_a_report_is_made_listed_and_downloaded(browser, detection):
    answer = _make(browser, detection, recipient="<b>court</b>")
    report = Report.objects.get()
    assert answer.url == f"{reverse('detection', args=[detection.pk])}#report"
    page = browser.get(reverse("detection", args=[detection.pk])).content.decode()
    assert "Intact" in page
    assert "&lt;b&gt;court" in page
    for kind in ("pdf", "json"):
        file = browser.get(reverse(f"report_{kind}", args=[report.pk]))
        assert "attachment" in file["Content-Disposition"]
        assert "sandbox" in file["Content-Security-Policy"]
        assert report_file.check(file.content, {report.key.public_key}).result == "intact"
    assert AuditEvent.objects.filter(action="report.viewed").count() == 2


def test_without_a_verdict_none_is_offered(browser, alice, model_version):
    waiting = detection_row(alice, model_version)
    assert "Make a report" not in browser.get(f"/detections/{waiting.pk}").content.decode()
    _make(browser, waiting)
    assert not Report.objects.exists()


@pytest.mark.parametrize("fields", [{"language": "xx"}, {"recipient": "x" * 201}])
def test_a_form_that_no_page_sends_is_400(browser, detection, fields):
    assert _make(browser, detection, **fields).status_code == 400


def test_a_link_is_shown_once(browser, detection, alice):
    report = report_row(detection, alice)
    answer = browser.post(reverse("report_share", args=[report.pk]), {"life": "7"})
    assert answer.status_code == 201
    address = answer.context["address"]
    assert address in answer.content.decode()
    page = browser.get(reverse("detection", args=[detection.pk])).content.decode()
    assert address not in page
    assert "Close this link" in page


def test_a_form_makes_one_link_however_often_it_is_sent(browser, detection, alice):
    """A page is sent again when it is loaded again, and comes back when a language is chosen."""
    report = report_row(detection, alice)
    page = browser.get(reverse("detection", args=[detection.pk])).content.decode()
    once = page.partition('name="once" value="')[2].partition('"')[0]
    assert len(once) == 32
    address, form = reverse("report_share", args=[report.pk]), {"life": "7", "once": once}
    answers = [browser.post(address, form), browser.post(address, form), browser.get(address)]
    assert [answer.status_code for answer in answers] == [201, 302, 302]
    assert ReportLink.objects.count() == 1
    assert "This link is made" in browser.get(answers[1]["Location"]).content.decode()
    assert browser.post(address, {**form, "once": "another"}).status_code == 201
    of_another = reverse("report_share", args=[report_row(detection, alice).pk])
    assert browser.post(of_another, form).status_code == 201


def test_a_link_and_a_report_are_revoked(browser, detection, alice):
    report = report_row(detection, alice)
    browser.post(reverse("report_share", args=[report.pk]), {"life": "7"})
    link = ReportLink.objects.get()
    browser.post(reverse("report_link_revoke", args=[link.pk]))
    link.refresh_from_db()
    assert link.has_ended
    browser.post(reverse("report_revoke", args=[report.pk]))
    page = browser.get(reverse("detection", args=[detection.pk])).content.decode()
    assert "Intact, but revoked" in page
    assert "Share by a link" not in page


def test_when_it_was_issued_and_when_revoked_stand_apart(browser, detection, alice):
    report = report_row(detection, alice)
    address = reverse("detection", args=[detection.pk])
    assert "Revoked <time" not in browser.get(address).content.decode()
    reports.revoke(by=alice, report=report)
    report.refresh_from_db()
    page = browser.get(address).content.decode()
    assert f'Issued <time datetime="{report.created_at:%Y-%m-%dT%H:%M:%S}' in page
    assert f'Revoked <time datetime="{report.revoked_at:%Y-%m-%dT%H:%M:%S}' in page


def test_a_stranger_finds_none_of_it(client_of, bob, detection, alice):
    report = report_row(detection, alice)
    browser = client_of(bob)
    answers = [
        _make(browser, detection),
        browser.get(reverse("report_pdf", args=[report.pk])),
        browser.post(reverse("report_revoke", args=[report.pk])),
        browser.post(reverse("report_share", args=[report.pk]), {"life": "7"}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert not ReportLink.objects.exists()


def test_a_confidential_image_has_no_reports_for_reviewers(client_of, carol, detection, alice):
    report = report_row(detection, alice)
    Image.objects.update(is_confidential=True)
    assert client_of(carol).get(reverse("report_pdf", args=[report.pk])).status_code == 404


def test_a_reviewer_revokes_only_what_is_hers(client_of, carol, detection, alice):
    browser = client_of(carol)
    others, own = report_row(detection, alice), report_row(detection, carol)
    assert browser.post(reverse("report_revoke", args=[others.pk])).status_code == 404
    assert browser.post(reverse("report_revoke", args=[own.pk])).status_code == 302


# --- checking a report


def _check(client: Client, data: bytes, name: str = "report.pdf") -> str:
    answer = client.post(reverse("verify_report"), {"report": SimpleUploadedFile(name, data)})
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("ending", [".pdf", ".json"])
def test_anybody_checks_a_report(client, detection, alice, ending):
    report = report_row(detection, alice)
    page = _check(client, reports.file_of(report, ending))
    assert "it still stands" in page
    assert str(report.pk) in page


def test_an_altered_report_is_said_to_be(client, detection, alice):
    data = reports.file_of(report_row(detection, alice), ".pdf")
    assert "Altered" in _check(client, data.replace(b"1.4", b"1.5"))


def test_another_file_is_no_report_and_its_name_no_markup(client, detection):
    page = _check(client, b"\xff\xd8\xff", "<script>alert(1)</script>.pdf")
    assert "No report" in page
    assert "<script>alert" not in page


def test_nothing_of_what_is_checked_is_kept(client, detection, data_dir):
    _check(client, b"%PDF-1.4 unmask-report a mark of this test %%EOF")
    heap = b"".join(path.read_bytes() for path in data_dir.rglob("*") if path.is_file())
    assert b"a mark of this test" not in heap
    assert files_below("incoming") == []


def test_no_file_and_a_large_one_are_refused(client, db):
    assert client.post(reverse("verify_report")).status_code == 400
    large = SimpleUploadedFile("report.pdf", bytes(report_file.MAX_BYTES + 20_000))
    answer = client.post(reverse("verify_report"), {"report": large})
    assert answer.status_code == 413
    assert "10 MB" in answer.content.decode()


def test_a_check_needs_the_token_of_its_form(db):
    browser = Client(enforce_csrf_checks=True)
    file = SimpleUploadedFile("report.pdf", b"x")
    assert browser.post(reverse("verify_report"), {"report": file}).status_code == 403
    browser.get(reverse("verify_report"))
    token = browser.get(reverse("verify_report")).context["csrf_token"]
    fields = {"report": SimpleUploadedFile("r.pdf", b"x"), "csrfmiddlewaretoken": str(token)}
    assert browser.post(reverse("verify_report"), fields).status_code == 200


def test_too_many_checks_of_one_network_are_refused(client, db, monkeypatch):
    monkeypatch.setattr("detection.web.verify_report_page.FROM_NETWORK", Limit(1, 60))
    answers = [client.post(reverse("verify_report")).status_code for _ in range(2)]
    assert answers == [400, 429]
