"""Links to reports: who makes them, what they open, and that they end."""

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from accounts.models import AuditEvent, User
from deepfake_site.logging import without_persons
from deepfake_site.rate_limits import Limit
from detection.errors import Refused
from detection.models import Case, Detection, Image, ModelVersion, Report, ReportLink, Submission
from detection.services import report_links, reports, review
from detection.services.report_links import share
from detection.tasks import run_detection
from tests import images
from tests.factories import done_row, report_row, submitted
from tests.review_desk import decided

pytestmark = pytest.mark.django_db


@pytest.fixture
def report(alice: User, model_version: ModelVersion, fake_judgement: Any) -> Report:
    """Of a judged image whose original is on disk."""
    submission = submitted(alice, images.gps_jpeg())
    run_detection(str(submission.detection_id))
    detection = Detection.objects.select_related("image__owner").get()
    return report_row(detection, alice)


@pytest.fixture
def opened(client: Client) -> Callable[..., Any]:
    """What a stranger without a session gets at a link."""

    def get(token: str, part: str = "", **options: Any) -> Any:
        return client.get(f"/shared/{token}{part}", **options)

    return get


def _shared(report: Report, by: User | None = None, **options: Any) -> tuple[ReportLink, str]:
    return share(by=by or report.by, report=report, life="1", **options)


# --- what it opens


def test_it_shows_the_report_to_whoever_has_it(report, opened):
    _link, token = _shared(report)
    answer = opened(token)
    assert answer.status_code == 200
    assert "Report on an image" in answer.content.decode()


def test_it_shows_what_was_signed_and_nothing_as_markup(report, opened):
    Submission.objects.update(file_name="<script>alert(1)</script>\u202e.jpg")
    real = reports.issue(by=report.by, detection=report.detection, language="en")
    _link, token = _shared(real, shows_pictures=True)
    page = opened(token).content.decode()
    signed = json.loads(reports.file_of(real, ".json"))["report"]["text"]["sections"]
    for section in signed:
        for text in [section["title"], *section.get("paragraphs", []), *section.get("points", [])]:
            assert escape(text) in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;‹U+202E›.jpg" in page
    assert "dict_items" not in page
    assert "(&#x27;" not in page


def test_robots_and_other_sites_learn_nothing(report, opened):
    _link, token = _shared(report, shows_pictures=True)
    for part in ("", "/pdf", "/json", "/pictures/preview"):
        answer = opened(token, part)
        assert answer.status_code == 200
        assert "noindex" in answer["X-Robots-Tag"]
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer["Cache-Control"]
    assert "no-referrer" in opened("x" * 43)["Referrer-Policy"]


def test_pictures_and_the_pdf_that_shows_them_are_withheld_unless_allowed(report, opened):
    _link, token = _shared(report)
    parts = ("/pdf", "/pictures/preview", "/original")
    assert [opened(token, part).status_code for part in parts] == [404, 404, 404]
    assert "/pictures/" not in opened(token).content.decode()
    _link, token = _shared(report, shows_pictures=True)
    assert [opened(token, part).status_code for part in parts] == [200, 200, 404]


def test_the_original_is_given_if_its_owner_says_so(report, opened):
    _link, token = _shared(report, gives_original=True)
    assert b"".join(opened(token, "/original").streaming_content).startswith(b"\xff\xd8")
    event = AuditEvent.objects.get(action="image.downloaded")
    assert (event.actor_id, event.target_id) == (None, str(report.detection.image_id))


def test_nobody_else_gives_the_original_away(report, carol, opened):
    link, token = _shared(report, carol, gives_original=True)
    assert not link.gives_original
    assert opened(token, "/original").status_code == 404


@pytest.mark.parametrize("name", ["../../x", "original", "nothing"])
def test_there_are_no_other_pictures(report, opened, name):
    _link, token = _shared(report, shows_pictures=True)
    assert opened(token, f"/pictures/{name}").status_code == 404


# --- that it ends


def test_a_revoked_link_says_that_it_is_closed(report, opened):
    link, token = _shared(report, shows_pictures=True)
    assert report_links.revoke_link(by=report.by, link=link)
    assert not report_links.revoke_link(by=report.by, link=link)
    for part in ("", "/pdf", "/json", "/pictures/preview"):
        answer = opened(token, part)
        assert answer.status_code == 410
        assert "This link is closed" in answer.content.decode()


def test_an_expired_link_is_closed(report, opened):
    link, token = _shared(report)
    past = timezone.now() - timedelta(seconds=1)
    ReportLink.objects.filter(pk=link.pk).update(
        created_at=past - timedelta(days=1), expires_at=past
    )
    assert opened(token).status_code == 410


def test_a_link_to_a_revoked_report_says_so(report, opened):
    _link, token = _shared(report, shows_pictures=True)
    assert reports.revoke(by=report.by, report=report)
    for part in ("", "/pdf", "/json", "/pictures/preview"):
        answer = opened(token, part)
        assert answer.status_code == 410
        assert "The report was revoked: do not rely on it." in answer.content.decode()


def test_a_closed_link_says_nothing_of_a_revocation(report, opened):
    link, token = _shared(report)
    report_links.revoke_link(by=report.by, link=link)
    assert "revoked" not in opened(token).content.decode()


@pytest.mark.parametrize("life", ["1", "7", "30"])
def test_it_lives_as_long_as_it_says(report, life):
    link, _token = share(by=report.by, report=report, life=life)
    assert link.expires_at - link.created_at == timedelta(days=int(life))


def test_a_link_that_never_was_is_not_found(report, opened):
    _shared(report)
    assert opened("x" * 43).status_code == 404


def test_a_maker_who_left_has_no_open_links(report, carol, opened):
    _link, token = _shared(report, carol)
    User.objects.filter(pk=carol.pk).update(is_active=False)
    assert opened(token).status_code == 410


def test_a_maker_who_no_longer_sees_the_image_has_no_open_links(report, alice, bob, opened):
    case = Case.objects.create(title="A case", owner=alice)
    case.people.add(bob)
    case.images.add(report.detection.image)
    _link, token = _shared(report, bob)
    assert opened(token).status_code == 200
    case.people.remove(bob)
    assert opened(token).status_code == 410


def test_what_becomes_confidential_is_shared_by_its_owner_alone(report, alice, carol, opened):
    _link, of_owner = _shared(report)
    _link, of_moderator = _shared(report, carol)
    Image.objects.update(is_confidential=True)
    assert [opened(token).status_code for token in (of_owner, of_moderator)] == [200, 410]


def test_a_confidential_image_is_its_owners_to_share(report, alice, bob):
    case = Case.objects.create(title="A case", owner=alice)
    case.people.add(bob)
    case.images.add(report.detection.image)
    Image.objects.update(is_confidential=True)
    with pytest.raises(Refused, match="confidential"):
        _shared(report, bob)
    assert _shared(report)


def test_a_revoked_report_is_not_shared(report):
    Report.objects.update(revoked_at=timezone.now())
    with pytest.raises(Refused, match="revoked"):
        _shared(report)


def test_a_later_verdict_is_told_on_the_page(report, alice, opened):
    later = ModelVersion.objects.create(name="later", version="2", artifact_sha256="e" * 64)
    moment = timezone.now() + timedelta(hours=1)
    done_row(alice, later, image=report.detection.image, completed_at=moment)
    _link, token = _shared(report)
    assert "superseded" in opened(token).content.decode()


def test_what_a_reviewer_said_since_is_told_on_the_page(report, carol, opened):
    with transaction.atomic():
        item = review.open_item(report.detection, "disputed")
    decided(item, carol, outcome="authentic")
    _link, token = _shared(report)
    said = "A reviewer has decided about the image since: Authentic."
    assert said in opened(token).content.decode()
    with transaction.atomic():
        review.open_item(report.detection, "reopened", previous=item)
    assert "Authentic." not in opened(token).content.decode()


def test_a_reviewer_who_may_still_decide_is_not_told(report, carol, erin, client_of, opened):
    with transaction.atomic():
        item = review.open_item(report.detection, "disputed")
    decided(item, carol, outcome="authentic")
    with transaction.atomic():
        review.open_item(report.detection, "flagged")
    _link, token = _shared(report)
    pages = [opened(token), client_of(erin).get(f"/shared/{token}")]
    told = ["since: Authentic." in page.content.decode() for page in pages]
    assert told == [True, False]


# --- what is kept of it


def test_only_a_keyed_digest_of_the_token_is_kept(report, opened):
    link, token = _shared(report)
    opened(token)
    assert token not in str(ReportLink.objects.values().get(pk=link.pk))
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            assert token not in str(cursor.fetchall()), table


def test_no_log_line_holds_the_token(report, opened, caplog):
    caplog.set_level(logging.DEBUG)
    _link, token = _shared(report)
    opened(token, "/pictures/none")
    opened(token[:-1] + "x")
    assert token not in " ".join(without_persons(line) for line in caplog.messages)
    line = f'Not Found: /shared/{token}/pdf "GET /shared/{token} HTTP/1.1"'
    assert without_persons(line) == 'Not Found: /shared/***/pdf "GET /shared/*** HTTP/1.1"'


def test_making_and_closing_it_are_recorded(report):
    link, _token = _shared(report, shows_pictures=True)
    report_links.revoke_link(by=report.by, link=link)
    actions = AuditEvent.objects.filter(target_id=str(link.pk)).values_list("action", flat=True)
    assert list(actions) == ["report_link.created", "report_link.revoked"]


def test_opening_it_is_recorded_once_an_hour_for_a_network(report, opened):
    _link, token = _shared(report)
    for address in ("192.0.2.1", "192.0.2.1", "198.51.100.7"):
        opened(token, REMOTE_ADDR=address)
        opened(token, "/json", REMOTE_ADDR=address)
    viewed = AuditEvent.objects.filter(action="report_link.viewed")
    assert viewed.count() == 2
    assert {event.actor_id for event in viewed} == {None}


def test_too_many_requests_of_one_network_are_refused(report, opened, monkeypatch):
    monkeypatch.setattr("detection.web.shared_pages.FROM_NETWORK", Limit(2, 60))
    _link, token = _shared(report)
    assert [opened(token).status_code for _ in range(3)] == [200, 200, 429]
    assert opened(token, REMOTE_ADDR="198.51.100.7").status_code == 200
