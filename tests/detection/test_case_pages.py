"""Pages of cases, as everybody who may and may not see them."""

import uuid
import zipfile
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from accounts.own_data import write_own_data
from detection.models import Case, CaseImage, CaseNote, Image
from detection.services import case_notes, case_people, cases, review
from tests.conftest import PASSWORD
from tests.detection.test_cases import EDITOR, READER, joined
from tests.factories import detection_row, done_row, image_row, review_row
from tests.review_desk import text_of

pytestmark = pytest.mark.django_db
ROLES = ("owner", "editor", "reader", "former", "stranger", "moderator", "admin", "auditor")
INSIDE = {"owner", "editor", "reader"}


@pytest.fixture
def case(alice, model_version) -> Case:
    row = cases.create(by=alice, title="Flood <b>", description="Line\nline", tags=["flood"])
    image = done_row(alice, model_version).image
    Image.objects.filter(pk=image.pk).update(is_confidential=True)
    image.refresh_from_db()
    cases.add_images(by=alice, case=row, images=[image], shares_confidential=True)
    case_notes.add_note(by=alice, case=row, text="Seen <script>")
    return row


@pytest.fixture
def as_role(case, alice, bob, carol, dora, client_of) -> Callable[[str], Client]:
    """A browser of each, after everybody has come and one has gone."""
    people = {"owner": alice, "stranger": bob, "moderator": carol, "admin": dora}
    people["auditor"] = User.objects.create_user("eve@example.org", PASSWORD, is_auditor=True)
    for name, role in (("editor", EDITOR), ("reader", READER), ("former", EDITOR)):
        people[name] = User.objects.create_user(f"{name}@example.org", PASSWORD, name=name)
        joined(case, people[name], role)
    case_people.remove_person(by=alice, case=case, person=people["former"])
    return lambda role: client_of(people[role])


@pytest.mark.parametrize("role", ROLES)
def test_a_case_is_for_those_who_belong_to_it(case, as_role, role):
    browser, note = as_role(role), case.notes.get()
    image = case.images.get()
    paths = ("", "/edit", "/history", "/people", "/report", "/report.json", f"/notes/{note.pk}")
    wanted = 200 if role in INSIDE else 404
    for path in paths:
        assert browser.get(f"/cases/{case.pk}{path}").status_code == wanted, path
    listed = browser.get("/cases").content.decode()
    assert ("Flood &lt;b&gt;" in listed) == (role in INSIDE)
    detection = browser.get(f"/detections/{image.detections.get().pk}")
    assert detection.status_code == wanted


@pytest.mark.parametrize("role", ROLES)
def test_what_each_may_change(case, as_role, role):
    """Answers to forms: 302 done, 403 seen and not to be done, 404 not there."""
    browser, note = as_role(role), case.notes.get()
    image = case.images.get()
    person = User.objects.get(email="reader@example.org").pk
    page = f"/cases/{case.pk}"
    asked = {
        "edit": browser.post(f"{page}/edit", {"title": "New", "version": case.version}),
        "note": browser.post(f"{page}/notes", {"text": "x"}),
        "others note": browser.post(
            f"{page}/notes/{note.pk}", {"action": "save", "text": "x", "version": 1}
        ),
        "role": browser.post(
            f"{page}/people", {"action": "role", "person": person, "role": "editor"}
        ),
        "close": browser.post(f"{page}/state", {"action": "close"}),
        "reopen": browser.post(f"{page}/state", {"action": "reopen"}),
        "take out": browser.post(f"{page}/images", {"action": "remove", "image": image.pk}),
    }
    by_owner = {"others note", "role", "close", "reopen"}
    may = {"owner": set(asked), "editor": set(asked) - by_owner, "reader": set()}
    for name, answer in asked.items():
        refused = 403 if role in INSIDE else 404
        wanted = 302 if name in may.get(role, set()) else refused
        assert answer.status_code == wanted, name


@pytest.mark.parametrize("role", ["reader", "editor"])
def test_whoever_belongs_to_a_case_leaves_it(case, as_role, role):
    browser = as_role(role)
    assert browser.post(f"/cases/{case.pk}/people", {"action": "leave"}).status_code == 302
    assert browser.get(f"/cases/{case.pk}").status_code == 404


def test_words_of_people_are_text(case, client_of, alice):
    html = client_of(alice).get(f"/cases/{case.pk}").content.decode()
    assert "Seen &lt;script&gt;" in html
    assert "Line<br>line" in html


def test_a_stale_title_comes_back_with_what_was_saved(case, client_of, alice):
    browser, page = client_of(alice), f"/cases/{case.pk}/edit"
    assert browser.post(page, {"title": "First", "version": 1}).status_code == 302
    answer = browser.post(page, {"title": "Second", "version": 1})
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "newer version" in html
    assert "First" in html
    assert 'value="Second"' in html
    assert 'name="version" value="2"' in html


def test_a_stale_note_comes_back_with_what_was_saved(case, client_of, alice):
    browser, note = client_of(alice), case.notes.get()
    page = f"/cases/{case.pk}/notes/{note.pk}"
    form = {"action": "save", "version": 1}
    assert browser.post(page, {**form, "text": "One tab"}).status_code == 302
    answer = browser.post(page, {**form, "text": "Other tab"})
    assert answer.status_code == 409
    html = answer.content.decode()
    assert "One tab" in html
    assert "Other tab" in html
    assert CaseNote.objects.get().latest.text == "One tab"


def test_a_new_case_with_tags_old_and_new(alice, client_of):
    browser = client_of(alice)
    cases.create(by=alice, title="Old", tags=["storm"])
    form = {"title": "New", "tags": "Flood, flood", "used": ["storm"], "owner": "2"}
    answer = browser.post("/cases/new", form)
    row = Case.objects.get(title="New")
    assert answer.headers["Location"] == f"/cases/{row.pk}"
    assert row.owner == alice
    assert [tag.name for tag in row.tags.all()] == ["flood", "storm"]
    assert browser.post("/cases/new", {"title": ""}).status_code == 400
    assert browser.post("/cases/new", {"title": "x", "tags": "y" * 50}).status_code == 400


def test_the_name_of_a_case_that_one_does_not_see_is_as_free_as_any(case, as_role):
    for role in ("former", "stranger", "moderator", "admin", "auditor"):
        assert as_role(role).post("/cases/new", {"title": case.title}).status_code == 302
    for role in INSIDE:
        assert as_role(role).post("/cases/new", {"title": case.title}).status_code == 409


def test_people_are_added_by_a_form(case, alice, bob, client_of):
    browser, page = client_of(alice), f"/cases/{case.pk}/people"
    form = {"action": "add", "who": bob.email, "role": "reader"}
    assert browser.post(page, form).status_code == 409  # an image is confidential
    assert browser.post(page, {**form, "confidential": "1"}).status_code == 302
    assert case.role_of(bob) == "reader"
    assert browser.post(page, {**form, "who": "no@example.org"}).status_code == 422
    assert browser.post(page, {**form, "role": "owner"}).status_code == 400
    assert browser.post(page, {"action": "remove", "person": "x"}).status_code == 400
    assert browser.post(page, {"action": "remove", "person": bob.pk}).status_code == 302


def test_an_image_goes_into_an_old_or_a_new_case_from_its_page(alice, bob, client_of, case):
    browser = client_of(alice)
    image = done_row(alice, case.images.get().detections.get().model_version).image
    page = f"/images/{image.pk}/cases"
    assert browser.post(page, {"action": "add", "case": case.pk}).status_code == 302
    assert browser.post(page, {"action": "add", "title": "Brand new"}).status_code == 302
    assert set(Case.objects.filter(images=image)) == {case, Case.objects.get(title="Brand new")}
    assert browser.post(page, {"action": "remove", "case": case.pk}).status_code == 302
    assert browser.post(page, {"action": "add", "case": uuid.uuid4()}).status_code == 422
    assert browser.post(page, {"action": "add", "case": "x"}).status_code == 400
    assert client_of(bob).post(page, {"action": "add", "title": "x"}).status_code == 404


def test_the_owner_of_what_was_never_judged_needs_no_case(alice, model_version, client_of):
    row = detection_row(alice, model_version)
    html = client_of(alice).get(f"/detections/{row.pk}").content.decode()
    assert "You see this image through a case" not in html
    assert "Add to a case" in html


def test_a_member_is_not_offered_to_add_the_image_to_others(case, bob, client_of):
    joined(case, bob)
    judged = case.images.get().detections.get()
    html = client_of(bob).get(f"/detections/{judged.pk}").content.decode()
    assert "You see this image through a case" in html
    assert "Add to a case" not in html


def test_a_refused_image_makes_no_case(case, alice, client_of):
    image = case.images.get()
    answer = client_of(alice).post(
        f"/images/{image.pk}/cases", {"action": "add", "title": "Not made"}
    )
    assert answer.status_code == 409
    assert not Case.objects.filter(title="Not made").exists()


def test_an_owner_withdraws_an_image_from_cases_she_does_not_see(alice, carol, client_of):
    image = image_row(alice)
    cases.add_images(by=carol, case=cases.create(by=carol, title="x"), images=[image])
    answer = client_of(alice).post(f"/images/{image.pk}/cases", {"action": "withdraw"})
    assert answer.status_code == 302
    assert not CaseImage.objects.exists()


def test_an_image_moves_by_a_form(case, alice, client_of):
    browser, image = client_of(alice), case.images.get()
    other = cases.create(by=alice, title="Other")
    form = {"action": "move", "image": image.pk, "case": other.pk}
    assert browser.post(f"/cases/{case.pk}/images", form).status_code == 409
    form["confidential"] = "1"
    assert browser.post(f"/cases/{case.pk}/images", form).status_code == 302
    assert list(Case.objects.filter(images=image)) == [other]


@pytest.mark.parametrize("action", ["remove", "move", "other"])
def test_a_case_does_not_tell_which_images_there_are(case, alice, bob, client_of, action):
    browser, theirs = client_of(alice), image_row(bob)

    def answer(image: uuid.UUID) -> tuple[int, str | None, bytes]:
        form = {"action": action, "image": image, "case": case.pk}
        found = browser.post(f"/cases/{case.pk}/images", form)
        return found.status_code, found.headers.get("Location"), found.content

    assert answer(theirs.pk) == answer(uuid.uuid4())


def test_the_verify_page_submits_into_a_case(alice, bob, case, client_of, photo):
    browser = client_of(alice)
    html = browser.get(f"/?case={case.pk}").content.decode()
    assert f'<option value="{case.pk}" selected>' in html
    assert browser.post("/", {"image": photo, "case": str(case.pk)}).status_code == 302
    assert case.images.count() == 2
    photo.seek(0)
    assert client_of(bob).post("/", {"image": photo, "case": str(case.pk)}).status_code == 422


def test_lists_are_filtered_and_paged(alice, bob, client_of, monkeypatch):
    monkeypatch.setattr("detection.web.case_pages.LIST_PAGE", 2)
    for number in range(3):
        cases.create(by=alice, title=f"Story {number}", tags=["x"] if number else [])
    cases.close(by=alice, case=Case.objects.get(title="Story 2"))
    joined(Case.objects.get(title="Story 1"), bob)
    browser = client_of(alice)

    def titles(query: str, who: Client = browser) -> list[int]:
        html = who.get(f"/cases{query}").content.decode()
        return [n for n in range(3) if f"Story {n}" in html]

    assert titles("") == [0, 1]
    assert titles("?state=closed") == [2]
    assert titles("?state=any") == [1, 2]
    assert titles("?tag=x") == [1]
    assert titles("?whose=shared") == []
    assert titles("?whose=shared", client_of(bob)) == [1]
    cursor = browser.get("/cases?state=any").context["next_cursor"]
    assert titles(f"?state=any&cursor={cursor}") == [0]
    assert titles("?tag=%00") == [0, 1]


def test_a_report_says_what_it_holds_and_is_recorded(case, alice, client_of):
    browser = client_of(alice)
    body = browser.get(f"/cases/{case.pk}/report.json").json()
    image = body["images"][0]
    assert (image["verdict"], image["probability"]) == ("likely_authentic", 0.1)
    assert image["limits"] is not None
    assert body["notes"][0]["text"] == "Seen <script>"
    html = browser.get(f"/cases/{case.pk}/report").content.decode()
    assert "Likely authentic" in html
    assert AuditEvent.objects.filter(action="case.reported").count() == 1


def test_what_reviewers_decided_is_counted_beside_what_the_model_said(
    case, alice, bob, carol, model_version, client_of
):
    shown = [done_row(alice, model_version) for _ in range(3)]
    cases.add_images(by=alice, case=case, images=[row.image for row in shown])
    for row, outcome in zip(shown, ("manipulated", "manipulated", "authentic"), strict=True):
        review_row(row, outcome=outcome, by=carol)
    joined(case, bob)
    for page in (f"/cases/{case.pk}", f"/cases/{case.pk}/report"):
        words = text_of(client_of(bob).get(page))
        assert "4 Likely authentic" in words
        assert "What reviewers decided: 2 Manipulated 1 Authentic" in words
    body = client_of(bob).get(f"/cases/{case.pk}/report.json").json()
    assert body["reviewed"] == {"manipulated": 2, "authentic": 1}


def test_who_may_still_decide_is_not_told_how_many_decided(
    case, alice, dora, carol, model_version, client_of
):
    rows = [done_row(alice, model_version) for _ in range(2)]
    cases.add_images(by=alice, case=case, images=[row.image for row in rows])
    for row in rows:
        review_row(row, outcome="manipulated", by=carol)
    with transaction.atomic():
        review.open_item(rows[0], "disputed")
    joined(case, dora)
    page = f"/cases/{case.pk}"
    assert "What reviewers decided: 1 Manipulated" in text_of(client_of(dora).get(page))
    assert "What reviewers decided: 2 Manipulated" in text_of(client_of(alice).get(page))


def test_where_nobody_reviewed_nothing_is_said_of_it(case, alice, client_of):
    assert "What reviewers decided" not in text_of(client_of(alice).get(f"/cases/{case.pk}"))


def test_what_is_looked_at_again_is_not_counted(case, alice, carol, model_version, client_of):
    row = done_row(alice, model_version)
    cases.add_images(by=alice, case=case, images=[row.image])
    review.reopen(item=review_row(row, outcome="manipulated", by=carol), by=carol)
    assert "What reviewers decided" not in text_of(client_of(alice).get(f"/cases/{case.pk}"))


def test_a_report_that_is_opened_again_is_recorded_once_an_hour_for_each(
    case, alice, bob, client_of, monkeypatch
):
    joined(case, bob)
    browser, made = client_of(alice), AuditEvent.objects.filter(action="case.reported")
    page = f"/cases/{case.pk}/report"
    assert [browser.get(page).status_code for _ in range(3)] == [200] * 3
    assert made.count() == 1
    client_of(bob).get(page)
    assert made.count() == 2
    browser.get(f"{page}.json")
    browser.get(f"{page}.json")
    assert made.count() == 4
    monkeypatch.setattr("detection.web.case_report.ONCE_PER", timedelta(0))
    browser.get(page)
    assert made.count() == 5


def test_ones_own_data_hold_ones_cases_and_notes(case, alice):
    file = BytesIO()
    write_own_data(alice, file)
    archive = zipfile.ZipFile(file)
    assert b"Flood <b>" in archive.read("cases.json")
    assert b"Seen <script>" in archive.read("case_notes.json")


def test_the_history_names_people_and_shows_no_address(case, alice, bob, client_of):
    joined(case, bob)
    html = client_of(bob).get(f"/cases/{case.pk}/history").content.decode()
    assert "Person added to the case" in html
    assert "127.0.0.1" not in html


def test_who_did_not_submit_an_image_is_told_why_it_has_no_name(case, as_role):
    said = "The file’s name is shown to whoever submitted it."
    detection = case.images.get().detections.get()
    for path in (reverse("case", args=[case.pk]), reverse("detection", args=[detection.pk])):
        page = as_role("reader").get(path).content.decode()
        assert said in page
        assert 'id="submissions"' not in page
    assert said not in as_role("owner").get(reverse("case", args=[case.pk])).content.decode()
