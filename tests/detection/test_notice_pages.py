"""News: a page, a number in the header, and the same by the API."""

import io
import json
import zipfile

import pytest
from django.test import Client
from django.utils import timezone

from accounts.own_data import write_own_data
from detection.models import Image, Notice
from detection.services import case_people, cases, telling
from tests.factories import done_row, review_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def judged(alice, carol, model_version):
    row = done_row(alice, model_version, verdict="likely_manipulated")
    telling.review_completed(review_row(row, by=carol))
    return row


@pytest.fixture
def browser(alice, client_of):
    return client_of(alice)


@pytest.fixture
def api(alice, key_of):
    return Client(headers={"Authorization": f"Bearer {key_of(alice)}"})


def _many(person, row, count):
    Notice.objects.bulk_create(
        Notice(user=person, detection=row, kind="review_completed") for _ in range(count)
    )


def test_without_news_the_page_says_what_will_be_here(browser):
    html = browser.get("/notices").content.decode()
    assert "No news" in html
    assert "count-new" not in html


def test_what_was_decided_stands_there_and_in_the_header(browser, judged):
    html = browser.get("/notices").content.decode()
    assert "A reviewer says: Authentic" in html
    assert "Whoever made it confirmed it" in html
    assert '<span class="count-new">1' in browser.get("/history").content.decode()


def test_a_case_that_one_was_added_to_stands_there_by_its_name(alice, bob, browser, judged, api):
    case = cases.create(by=bob, title="Flood <b>")
    case_people.add_person(by=bob, case=case, who=alice.email, role="reader")
    html = browser.get("/notices").content.decode()
    assert "You were added to a case" in html
    assert "<bdi>Flood &lt;b&gt;</bdi>" in html
    assert "You may read all of it" in html
    assert "A reviewer says: Authentic" in html
    assert '<span class="count-new">2' in browser.get("/history").content.decode()
    notice = Notice.objects.get(kind="case_shared")
    assert browser.get(f"/notices/{notice.pk}").url == f"/cases/{case.pk}"
    case_people.change_role(by=bob, case=case, person=alice, role="editor")
    html = browser.get("/notices").content.decode()
    assert "Your role in a case was changed" in html
    assert "You may add images and notes to it." in html
    case_people.transfer(by=bob, case=case, person=alice)
    assert "It is yours now" in browser.get("/notices").content.decode()
    case_people.transfer(by=alice, case=case, person=bob)
    notice = Notice.objects.filter(case=case, user=alice).latest("created_at")
    case_people.remove_person(by=bob, case=case, person=alice)
    assert "Flood" not in browser.get("/notices").content.decode()
    assert browser.get(f"/notices/{notice.pk}").status_code == 404


def test_the_api_tells_of_images_alone(alice, bob, api, judged):
    case = cases.create(by=bob, title="Flood")
    case_people.add_person(by=bob, case=case, who=alice.email, role="reader")
    (row,) = api.get("/api/v1/notices").json()["results"]
    assert row["kind"] == "review_completed"
    api.post("/api/v1/notices/seen")
    assert Notice.objects.unseen().get().case == case


def test_who_follows_it_has_seen_it(browser, judged):
    notice = Notice.objects.get()
    answer = browser.get(f"/notices/{notice.pk}")
    assert (answer.status_code, answer.url) == (302, f"/detections/{judged.pk}")
    notice.refresh_from_db()
    assert notice.seen_at is not None
    assert "count-new" not in browser.get("/notices").content.decode()


def test_all_are_marked_as_seen_and_nobody_elses(browser, bob, judged):
    _many(bob, judged, 1)
    browser.post("/notices/seen")
    assert list(Notice.objects.unseen().values_list("user", flat=True)) == [bob.pk]


def test_a_notice_is_its_persons_alone(carol, dora, judged, client_of):
    notice = Notice.objects.get()
    for person in (carol, dora):
        assert client_of(person).get(f"/notices/{notice.pk}").status_code == 404
        assert "A reviewer says" not in client_of(person).get("/notices").content.decode()


def test_of_a_confidential_image_the_list_says_no_outcome(browser, judged):
    Image.objects.update(is_confidential=True)
    html = browser.get("/notices").content.decode()
    assert "A reviewer has decided about an image" in html
    assert "A reviewer says" not in html


def test_ten_thousand_are_read_in_pages(browser, alice, judged, django_assert_max_num_queries):
    _many(alice, judged, 10_000)
    with django_assert_max_num_queries(8):
        html = browser.get("/notices").content.decode()
    assert html.count('class="news-row') == 25
    assert '<span class="count-new">99+' in html
    cursor = html.partition("?cursor=")[2].partition('"')[0]
    older = browser.get("/notices", {"cursor": cursor}).content.decode()
    assert older.count('class="news-row') == 25
    assert "Newest" in older


def test_a_mad_cursor_is_the_first_page(browser, judged):
    assert browser.get("/notices", {"cursor": "\x00é"}).status_code == 200


def test_an_outcome_that_this_version_does_not_know_is_shown_as_it_is(browser, judged):
    Notice.objects.update(about={"outcome": "staged", "reasons": ["newer_reason"]})
    html = browser.get("/notices").content.decode()
    assert "staged" in html
    assert "newer_reason" in html


def test_the_account_says_whether_news_is_mailed(browser, alice):
    profile = {"name": "Alice", "language": "en", "time_zone": "", "theme": ""}
    assert "wants_mail" in browser.get("/account").content.decode()
    browser.post("/account", profile)
    alice.refresh_from_db()
    assert not alice.wants_mail
    browser.post("/account", {**profile, "wants_mail": "on"})
    alice.refresh_from_db()
    assert alice.wants_mail


# --- API


def test_the_api_tells_the_same(api, judged):
    body = api.get("/api/v1/notices").json()
    (notice,) = body["results"]
    assert notice["kind"] == "review_completed"
    assert notice["about"]["outcome"] == "authentic"
    assert "item" not in notice["about"]
    assert body["next"] is None


def test_the_api_lists_the_unseen_alone_and_marks_them(api, judged):
    assert len(api.get("/api/v1/notices?unseen=true").json()["results"]) == 1
    assert api.post("/api/v1/notices/seen").status_code == 204
    assert api.get("/api/v1/notices?unseen=true").json()["results"] == []
    assert api.get("/api/v1/notices?unseen=perhaps").status_code == 400


def test_a_key_that_only_reads_marks_nothing(alice, key_of, judged):
    client = Client(headers={"Authorization": f"Bearer {key_of(alice, 'detections:read')}"})
    assert client.get("/api/v1/notices").status_code == 200
    assert client.post("/api/v1/notices/seen").status_code == 403


def test_consent_by_the_api(api, judged, labels):
    address = f"/api/v1/detections/{judged.pk}/training-consent"
    assert api.get(address).json() == {"allowed": False, "since": None}
    answer = api.put(address, {"allowed": True}, content_type="application/json")
    assert answer.json()["allowed"] is True
    assert answer.json()["since"]
    assert labels[0][0] == "learn"  # there is a review that stands
    api.put(address, {"allowed": False}, content_type="application/json")
    assert api.get(address).json()["allowed"] is False


@pytest.mark.parametrize("body", [{}, {"allowed": "perhaps"}, {"allowed": None}, {"yes": True}])
def test_a_consent_that_says_nothing_is_refused(api, judged, body):
    address = f"/api/v1/detections/{judged.pk}/training-consent"
    assert api.put(address, body, content_type="application/json").status_code == 400


def test_a_moderators_key_is_told_that_there_is_no_such_thing(carol, key_of, judged):
    client = Client(headers={"Authorization": f"Bearer {key_of(carol)}"})
    address = f"/api/v1/detections/{judged.pk}/training-consent"
    assert client.get(address).status_code == 404
    answer = client.put(address, {"allowed": True}, content_type="application/json")
    assert answer.status_code == 404


def test_a_confidential_image_is_refused_by_the_api(api, judged):
    Image.objects.update(is_confidential=True)
    answer = api.put(
        f"/api/v1/detections/{judged.pk}/training-consent",
        {"allowed": True},
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "confidential_not_learnt")


def test_ones_claim_is_read_and_taken_back_by_the_api(api, judged, brought_to_desk):
    address = f"/api/v1/detections/{judged.pk}/feedback"
    assert api.get(address).json() == {"claim": None}
    body = {"label": "real", "category": "false_positive"}
    api.post(address, body, content_type="application/json")
    assert api.get(address).json()["claim"]["category"] == "false_positive"
    assert api.delete(address).status_code == 204
    assert api.get(address).json() == {"claim": None}
    assert api.delete(address).status_code == 204


# --- own data


def test_own_data_holds_what_one_was_told_decided_and_allowed(alice, carol, judged):
    Image.objects.update(training_consent_at=timezone.now())
    assert _own_data(alice, "notices")[0]["kind"] == "review_completed"
    assert _own_data(alice, "images")[0]["training_consent_at"]
    assert _own_data(carol, "decisions")[0]["outcome"] == "authentic"
    assert _own_data(alice, "decisions") == []


def _own_data(person, name):
    file = io.BytesIO()
    write_own_data(person, file)
    with zipfile.ZipFile(file) as archive:
        return json.loads(archive.read(f"{name}.json"))
