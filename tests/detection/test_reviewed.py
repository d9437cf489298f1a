"""A review beside the machine's verdict: on pages, in reports, and over reports issued before."""

import json

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import AuditEvent
from detection import storage
from detection.errors import Refused
from detection.models import Decision, Detection, GoldenImage, ReportLink
from detection.services import cases, report_links, reports, review, review_golden
from detection.services.report_checks import Standing, standing_of
from detection.services.reviewed import review_of, reviews_of
from tests.factories import done_row, report_row, review_row
from tests.pdf_text import texts
from tests.review_desk import decided

pytestmark = pytest.mark.django_db


@pytest.fixture
def judged(alice, model_version):
    return done_row(alice, model_version, verdict="likely_manipulated", probability=0.95)


def _undo(item):
    item.decisions.update(undone_at=timezone.now())
    item.status, item.outcome, item.closed_at = "open", "", None
    item.save()


def test_the_latest_review_stands(carol, dora, judged):
    assert review_of(judged.image_id) is None
    review_row(judged, outcome="cannot_tell", by=carol)
    review_row(judged, outcome="authentic", by=dora, reason="original_found")
    review = review_of(judged.image_id)
    assert (review.outcome, review.reasons, review.opinions) == (
        "authentic",
        ("original_found",),
        1,
    )


def test_it_is_about_the_image_whichever_model_judged_it(alice, carol, judged, other_version):
    again = done_row(alice, other_version, image=judged.image)
    review_row(judged, by=carol)
    assert review_of(again.image_id).detection == judged.pk


def test_what_is_looked_at_again_stands_no_more(carol, judged):
    first = review_row(judged, by=carol)
    again = review_row(judged, previous=first, status="open", outcome="", closed_at=None)
    assert review_of(judged.image_id) is None
    again.status, again.outcome, again.closed_at = "closed", "manipulated", timezone.now()
    again.save()
    assert review_of(judged.image_id).outcome == "manipulated"


def test_what_was_said_before_does_not_come_back_when_the_latest_is_opened_again(carol, judged):
    review_row(judged, outcome="manipulated", by=carol)
    latest = review_row(judged, outcome="authentic", by=carol)
    review_row(judged, previous=latest, status="open", outcome="", closed_at=None)
    assert review_of(judged.image_id) is None


def test_golden_items_say_nothing_of_an_image(carol, judged):
    golden = GoldenImage.objects.create(image=judged.image, outcome="authentic", added_by=carol)
    review_row(judged, golden=golden)
    assert review_of(judged.image_id) is None


def test_only_those_who_decided_so_give_the_reasons(carol, dora, judged):
    item = review_row(judged, outcome="authentic", by=carol)
    Decision.objects.create(item=item, by=dora, outcome="manipulated", reason="visible_traces")
    review = review_of(judged.image_id)
    assert (review.reasons, review.opinions) == (("maker_confirmed",), 2)


def test_many_are_found_with_two_queries(alice, carol, model_version, django_assert_num_queries):
    rows = [done_row(alice, model_version) for _ in range(5)]
    for row in rows[:3]:
        review_row(row, by=carol)
    with django_assert_num_queries(2):
        found = reviews_of([row.image_id for row in rows])
    assert set(found) == {row.image_id for row in rows[:3]}


# --- pages


def test_the_page_says_it_beside_the_machines_verdict(alice, carol, judged, client_of):
    review_row(judged, by=carol)
    html = client_of(alice).get(f"/detections/{judged.pk}").content.decode()
    assert "A reviewer says: Authentic" in html
    assert "Whoever made it confirmed it" in html
    assert "It is the opposite of the machine’s verdict." in html
    assert "Likely manipulated" in html
    assert carol.email not in html


def test_the_history_marks_it(alice, carol, judged, client_of):
    assert "A reviewer says" not in client_of(alice).get("/history?whose=mine").content.decode()
    review_row(judged, by=carol)
    html = client_of(alice).get("/history?whose=mine").content.decode()
    assert "A reviewer says: Authentic" in html


def test_a_case_and_its_report_mark_it(alice, carol, judged, client_of):
    case = cases.create(by=alice, title="Flood", images=[judged.image])
    review_row(judged, by=carol)
    browser = client_of(alice)
    assert "A reviewer says: Authentic" in browser.get(f"/cases/{case.pk}").content.decode()
    assert "A reviewer says: Authentic" in browser.get(f"/cases/{case.pk}/report").content.decode()
    (image,) = browser.get(f"/cases/{case.pk}/report.json").json()["images"]
    assert image["review"]["in_words"] == "A reviewer says: Authentic"


# --- reports


def test_a_report_issued_before_is_superseded(alice, carol, judged):
    report = report_row(judged, alice)
    assert standing_of(report) == Standing("current")
    item = review_row(judged, by=carol)
    assert standing_of(report) == Standing("superseded", "later_review")
    _undo(item)
    assert standing_of(report) == Standing("current")


def test_a_report_that_tells_of_a_review_falls_with_it(alice, carol, judged):
    item = review_row(judged, by=carol)
    report = report_row(judged, alice, reviewed_at=item.closed_at)
    assert standing_of(report) == Standing("current")
    _undo(item)
    assert standing_of(report) == Standing("superseded", "review_withdrawn")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_new_report_tells_of_it_without_a_name(alice, carol, judged, language):
    item = review_row(judged, by=carol)
    report = reports.issue(by=alice, detection=judged, language=language, has_pictures=False)
    report.refresh_from_db()
    assert report.reviewed_at == item.closed_at
    assert standing_of(report) == Standing("current")
    text = storage.report_path(judged.image_id, report.pk, ".json").read_text()
    body = json.loads(text)["report"]
    assert body["facts"]["review"] == {
        "decided_at": item.closed_at.isoformat(),
        "opinions": 1,
        "outcome": "authentic",
        "reasons": ["maker_confirmed"],
    }
    section = next(one for one in body["text"]["sections"] if one["name"] == "review")
    assert body["text"]["sections"][1] == section
    assert body["text"]["language"] == language
    assert carol.email not in text


def test_a_report_without_a_review_says_so_to_machines(alice, judged):
    report = reports.issue(by=alice, detection=judged, language="en", has_pictures=False)
    body = json.loads(storage.report_path(judged.image_id, report.pk, ".json").read_text())
    assert body["report"]["facts"]["review"] is None
    assert "review" not in [one["name"] for one in body["report"]["text"]["sections"]]


def test_the_pdf_shows_it(alice, carol, judged):
    review_row(judged, by=carol)
    report = reports.issue(by=alice, detection=judged, language="en", has_pictures=False)
    pdf = storage.report_path(judged.image_id, report.pk, ".pdf").read_bytes()
    assert "A reviewer says: Authentic" in " ".join(texts(pdf))


def test_whoever_checks_a_file_is_told(alice, carol, judged, client):
    report = report_row(judged, alice)
    review_row(judged, by=carol)
    file = storage.report_path(judged.image_id, report.pk, ".json").open("rb")
    html = client.post("/verify-report", {"report": file}).content.decode()
    assert "A reviewer has decided about the image since: Authentic." in html
    answer = client.get(f"/api/v1/reports/{report.pk}?sha256={report.json_sha256}").json()
    assert (answer["state"], answer["because"]) == ("superseded", "later_review")


def found(client, query: str) -> set[str]:
    """Detections that the history shows for a search, by their id."""
    html = client.get(f"/history?whose=all&{query}").content.decode()
    return {str(pk) for pk in Detection.objects.values_list("pk", flat=True) if str(pk) in html}


def test_the_history_is_searched_by_what_reviewers_decided(
    alice, carol, judged, model_version, client_of, key_of
):
    agreed, none = (
        done_row(alice, model_version, verdict="likely_authentic", probability=p)
        for p in (0.1, 0.2)
    )
    review_row(judged, outcome="authentic", by=carol)
    review_row(agreed, outcome="authentic", by=carol)
    key = {"Authorization": f"Bearer {key_of(alice)}"}
    browser, wanted = (
        client_of(alice),
        {
            "any": {judged, agreed},
            "authentic": {judged, agreed},
            "manipulated": set(),
            "contradicts": {judged},
            "": {judged, agreed, none},
        },
    )
    for said, rows in wanted.items():
        ids = {str(row.pk) for row in rows}
        assert found(browser, f"review={said}") == ids, said
        query = f"?review={said}" if said else ""
        answer = browser.get(f"/api/v1/detections{query}", headers=key).json()
        assert {row["id"] for row in answer["results"]} == ids, said
    assert "Contradicts the verdict" in (
        browser.get("/history?review=contradicts").content.decode()
    )
    assert browser.get("/api/v1/detections?review=maybe", headers=key).status_code == 400


def test_a_search_by_reviews_follows_the_latest_that_stands(carol, dora, judged, client_of, alice):
    review_row(judged, outcome="authentic", by=carol)
    last = review_row(judged, outcome="cannot_tell", by=dora)
    assert found(client_of(alice), "review=authentic") == set()
    assert found(client_of(alice), "review=cannot_tell") == {str(judged.pk)}
    reopened = review.reopen(item=last, by=carol)
    assert reopened.previous == last
    assert found(client_of(alice), "review=any") == set()


def test_a_reviewer_who_may_still_decide_does_not_find_it(carol, dora, judged, client_of):
    review_row(judged, outcome="authentic", by=carol)
    assert found(client_of(dora), "review=any") == {str(judged.pk)}
    with transaction.atomic():
        review.open_item(judged, "disputed")
    assert found(client_of(dora), "review=any") == set()


def test_a_report_tells_no_reviewer_what_they_may_still_decide(alice, carol, dora, judged):
    review_row(judged, outcome="authentic", by=carol)
    told = reports.issue(by=alice, detection=judged, language="en")
    with transaction.atomic():
        item = review.open_item(judged, "disputed")
    with pytest.raises(Refused, match="decide first"):
        reports.issue(by=dora, detection=judged, language="en")
    with pytest.raises(Refused, match="decide first"):
        reports.record_download(by=dora, report=told, kind="pdf")
    with pytest.raises(Refused, match="decide first"):
        report_links.share(by=dora, report=told, life=ReportLink.Life.WEEK)
    assert reports.record_download(by=alice, report=told, kind="pdf")
    decided(item, dora, "manipulated")
    assert reports.issue(by=dora, detection=judged, language="en").reviewed_at
    assert reports.record_download(by=dora, report=told, kind="json")


def test_a_report_stays_untold_when_its_review_is_looked_at_again(
    alice, carol, dora, judged, client_of
):
    item = review_row(judged, outcome="authentic", by=carol)
    told = reports.issue(by=alice, detection=judged, language="en")
    review.reopen(item=item, by=carol)
    with pytest.raises(Refused, match="decide first"):
        reports.record_download(by=dora, report=told, kind="pdf")
    answer = client_of(dora).get(f"/reports/{told.pk}/pdf", follow=True)
    assert "decide first" in answer.content.decode()
    assert reports.record_download(by=alice, report=told, kind="pdf")


def test_a_reviewer_may_have_a_report_that_tells_of_nobody(dora, judged):
    with transaction.atomic():
        review.open_item(judged, "disputed")
    assert reports.issue(by=dora, detection=judged, language="en").reviewed_at is None


def test_a_report_does_not_say_that_an_image_measures_reviewers(alice, dora, judged):
    review_golden.add(by=dora, detection=judged, outcome="manipulated")
    assert "golden_image.added" in AuditEvent.objects.values_list("action", flat=True)
    report = reports.issue(by=alice, detection=judged, language="en")
    said = storage.read(storage.report_path(judged.image_id, report.pk, ".json")).decode()
    assert "submission" in said or "detection" in said
    assert "golden" not in said


def test_what_is_judged_again_is_as_blind(alice, carol, dora, judged, other_version, client_of):
    review_row(judged, outcome="authentic", by=carol)
    again = done_row(alice, other_version, image=judged.image)
    page = f"/detections/{judged.pk}"
    assert "A reviewer says: Authentic" in client_of(dora).get(page).content.decode()
    with transaction.atomic():
        review.open_item(again, "disputed")
    html = client_of(dora).get(page).content.decode()
    assert "A reviewer says" not in html
    assert "Reviewed" not in html


def test_the_owner_may_have_a_report_while_reviewers_look_at_it(alice, judged):
    with transaction.atomic():
        review.open_item(judged, "disputed")
    assert reports.issue(by=alice, detection=judged, language="en")


def test_golden_items_are_not_searched_for(alice, carol, judged, model_version, client_of):
    golden = GoldenImage.objects.create(image=judged.image, outcome="manipulated", added_by=carol)
    review_row(judged, outcome="authentic", by=carol, golden=golden)
    assert found(client_of(alice), "review=any") == set()
