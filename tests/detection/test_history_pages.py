"""The history on pages: search, chips, saved filters, changes to many rows, exports."""

import csv
import io
import json
import re
import uuid
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse

from accounts import audit
from accounts.erasure import erase_person
from accounts.models import AuditDetail, AuditEvent, User
from detection.models import Case, Detection, Image, ImageTag, SavedFilter, Tag
from detection.services import bulk, custody, history_export, saved_filters, tags
from detection.web import history_actions
from detection.web.history_form import MAX_CHOICES
from tests.detection.test_history import MANIPULATED, named
from tests.factories import done_row

pytestmark = pytest.mark.django_db
HISTORY = "/history"


@pytest.fixture
def browser(alice: User, client_of: Any) -> Client:
    return client_of(alice)


def _page(browser: Client, **query: Any) -> str:
    return browser.get(HISTORY, query).content.decode()


def _shown(page: str) -> list[str]:
    return re.findall(r'href="/detections/([0-9a-f-]{36})"', page)


def _change(browser: Client, rows: list[Detection], **data: Any) -> Any:
    return browser.post(f"{HISTORY}/change", {"row": [row.pk for row in rows], **data})


def _export(browser: Client, kind: str = "csv", **data: Any) -> str:
    answer = browser.post(f"{HISTORY}/export", {"format": kind, **data})
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


def _table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def _events(action: str) -> int:
    return AuditEvent.objects.filter(action=action).count()


# --- search


def test_the_address_holds_the_search_and_chips_remove_it(browser, alice, model_version):
    row = named(done_row(alice, model_version, verdict=MANIPULATED, probability=0.9), "dock.jpg")
    named(done_row(alice, model_version), "dock.jpg")
    query = {"q": "dock", "verdict": ["likely_manipulated", "failed"], "since": "2020-01-01"}
    page = _page(browser, **query)
    assert _shown(page) == [str(row.pk)]
    chips = re.findall(r'class="chip" href="\?([^"]*)"', page)
    left = [parse_qs(chip.replace("&amp;", "&")) for chip in chips]
    assert len(chips) == 4
    assert {"q": ["dock"], "verdict": ["failed"], "since": ["2020-01-01"]} in left
    assert all(set(one) < set(query) or one["verdict"] != query["verdict"] for one in left)


def test_the_count_is_exact_up_to_a_limit(browser, alice, model_version, monkeypatch):
    for _ in range(3):
        done_row(alice, model_version)
    assert "3 detections" in _page(browser)
    monkeypatch.setattr("detection.history.COUNTED_TO", 2)
    assert "More than 2 detections" in _page(browser)


def test_days_are_those_of_the_persons_time_zone(browser, alice, model_version):
    from datetime import UTC, datetime

    row = done_row(alice, model_version, created_at=datetime(2026, 5, 1, 22, 30, tzinfo=UTC))
    alice.time_zone = "Africa/Cairo"
    alice.save()
    assert _shown(_page(browser, since="2026-05-02", until="2026-05-02")) == [str(row.pk)]
    assert _shown(_page(browser, until="2026-05-01")) == []


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "x", "2026-02-30"])
def test_an_impossible_day_asks_for_nothing(browser, alice, model_version, day):
    row = done_row(alice, model_version)
    assert _shown(_page(browser, since=day, until=day)) == [str(row.pk)]


def test_only_reviewers_look_for_a_person(browser, alice, bob, carol, client_of, model_version):
    row, other = done_row(alice, model_version), done_row(bob, model_version)
    assert _shown(_page(browser, person=bob.email)) == [str(row.pk)]
    assert _shown(_page(client_of(carol), person=bob.email.upper())) == [str(other.pk)]
    assert _shown(_page(client_of(carol), person="nobody@example.org")) == []


def test_nothing_matches_says_what_to_leave_out(browser, alice, model_version):
    done_row(alice, model_version)
    page = _page(browser, q="zebra", verdict="failed")
    assert "Nothing matches" in page
    assert 'href="?verdict=failed">Without Search' in page
    assert 'href="?q=zebra">Without Verdict' in page


def test_what_was_typed_is_shown_as_text(browser, alice, model_version):
    named(done_row(alice, model_version), "<script>alert(1)</script>.jpg")
    tags.add_tag(by=alice, image=Image.objects.get(), name="<b>'\"&\u202e")
    page = _page(browser, q="script", tag="<b>'\"&\u202e")
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert len(_shown(page)) == 1


def test_a_search_that_takes_too_long_is_a_kind_sentence(browser, monkeypatch):
    from detection import history

    def slow(*_: Any, **__: Any) -> None:
        raise history.TooSlow

    monkeypatch.setattr("detection.history.find", slow)
    answer = browser.get(HISTORY, {"q": "img"})
    assert answer.status_code == 503
    assert "so it was stopped" in answer.content.decode()


# --- saved filters


def test_a_filter_is_kept_renamed_opened_first_and_deleted(browser, alice):
    browser.post(f"{HISTORY}/filters", {"name": " Fakes  today ", "query": "verdict=failed&x=1"})
    saved = SavedFilter.objects.get()
    assert (saved.owner, saved.name, saved.query) == (alice, "Fakes today", "verdict=failed")
    address = f"{HISTORY}/filters/{saved.pk}"
    browser.post(address, {"action": "rename", "name": "Failures"})
    browser.post(address, {"action": "default"})
    assert browser.get(HISTORY)["Location"] == f"{HISTORY}?verdict=failed"
    assert "Failures" in _page(browser, whose="mine")
    browser.post(address, {"action": "plain"})
    assert browser.get(HISTORY).status_code == 200
    browser.post(address, {"action": "delete"})
    assert not SavedFilter.objects.exists()


def test_a_filter_is_nobody_elses(bob, alice, client_of):
    saved = saved_filters.save_filter(by=alice, name="mine", query="")
    answer = client_of(bob).post(f"{HISTORY}/filters/{saved.pk}", {"action": "delete"})
    assert answer.status_code == 404
    assert "mine</bdi>" not in _page(client_of(bob), whose="all")


def test_one_keeps_so_many_filters_and_no_more(browser, alice, monkeypatch):
    monkeypatch.setattr(saved_filters, "MAX_FILTERS", 2)
    for name in ("a", "b", "c", "a", "\x00"):
        browser.post(f"{HISTORY}/filters", {"name": name, "query": f"q={ord(name)}"})
    assert list(SavedFilter.objects.values_list("name", "query")) == [("a", "q=97"), ("b", "q=98")]


def test_one_filter_opens_first(browser, alice):
    first, second = (saved_filters.save_filter(by=alice, name=n, query="") for n in "ab")
    for saved in (first, second):
        browser.post(f"{HISTORY}/filters/{saved.pk}", {"action": "default"})
    assert list(SavedFilter.objects.filter(is_default=True)) == [second]


def test_an_erased_person_keeps_no_filters(alice, dora):
    saved_filters.save_filter(by=alice, name="Jane Doe", query="")
    erase_person(by=dora, person=alice, reason="asked")
    assert not SavedFilter.objects.exists()


# --- many rows


def test_many_are_tagged_each_with_its_event(browser, alice, model_version):
    rows = [done_row(alice, model_version) for _ in range(3)]
    tags.add_tag(by=alice, image=rows[0].image, name="HARBOUR")
    answer = _change(browser, rows, action="tag", tag=" harbour ")
    assert "2 changed" in answer.content.decode()
    assert "1 was so already" in answer.content.decode()
    assert str(Tag.objects.get()) == "harbour"
    assert _events("image.tagged") == 3
    _change(browser, rows[:2], action="untag", tag="Harbour")
    assert ImageTag.objects.get().image == rows[2].image
    _change(browser, rows, action="untag", tag="Harbour")
    assert not Tag.objects.exists()
    assert _events("image.untagged") == 3


@pytest.mark.parametrize("typed", ["Flood, harbour,, flood ,", "flood،harbour", "flood，harbour"])
def test_commas_part_the_tags_that_many_get(browser, alice, model_version, typed):
    rows = [done_row(alice, model_version) for _ in range(2)]
    page = _change(browser, rows, action="tag", tag=typed).content.decode()
    assert "2 changed" in page
    assert sorted(map(str, Tag.objects.all())) == ["flood", "harbour"]
    assert _events("image.tagged") == 4
    _change(browser, rows[:1], action="untag", tag="harbour, flood, dock")
    assert {one.image for one in ImageTag.objects.all()} == {rows[1].image}
    assert "Several with commas between them." in _page(browser)


def test_a_tag_with_an_arabic_comma_in_it_is_still_taken_off(browser, alice, model_version):
    row = done_row(alice, model_version)
    tags.add_tag(by=alice, image=row.image, name="فيضان، ميناء")
    _change(browser, [row], action="untag", tag="فيضان، ميناء")
    assert not Tag.objects.exists()


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (", ،", "Say which tag."),
        ("a," + "b" * 51, "A tag has at most 50 characters"),
        (",".join("abcdefghijk"), "At most 10 tags at once; these are 11."),
    ],
)
def test_tags_that_cannot_be_kept_are_refused_before_any_row(
    browser, alice, model_version, typed, says
):
    answer = _change(browser, [done_row(alice, model_version)], action="tag", tag=typed)
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not Tag.objects.exists()


def test_one_bad_row_fails_alone(browser, alice, model_version, monkeypatch):
    rows = [done_row(alice, model_version) for _ in range(3)]
    real = tags.add_tag

    def flaky(*, by: User, image: Image, name: str) -> bool:
        if image == rows[1].image:
            real(by=by, image=image, name=name)
            raise DatabaseError("torn")
        return real(by=by, image=image, name=name)

    monkeypatch.setattr(bulk.tags, "add_tag", flaky)
    page = _change(browser, rows, action="tag", tag="x").content.decode()
    assert "2 changed" in page
    assert "1 could not be changed" in page


def test_only_ones_own_become_confidential(carol, alice, client_of, model_version):
    own, other = done_row(carol, model_version), done_row(alice, model_version)
    page = _change(client_of(carol), [own, other], action="confidential").content.decode()
    assert "Only its owner does this" in page
    assert set(Image.objects.filter(is_confidential=True)) == {own.image}
    assert _events("image.confidentiality_changed") == 1


def test_a_held_image_stays_visible(browser, alice, carol, model_version):
    row = done_row(alice, model_version)
    custody.hold(by=carol, image=row.image, reason="court")
    assert "legal hold" in _change(browser, [row], action="confidential").content.decode()
    assert not Image.objects.get().is_confidential


def test_rows_go_into_a_case_and_on_to_another(browser, alice, model_version):
    rows = [done_row(alice, model_version) for _ in range(2)]
    first, second = (Case.objects.create(owner=alice, title=title) for title in "ab")
    _change(browser, rows, action="case", case=first.pk)
    assert first.images.count() == 2
    _change(browser, rows[:1], action="move", source=first.pk, case=second.pk)
    assert (first.images.get(), second.images.get()) == (rows[1].image, rows[0].image)
    assert "Say which case" in _change(browser, rows, action="case").content.decode()


def test_a_strangers_case_and_rows_cannot_be_chosen(browser, alice, bob, model_version):
    mine, other = done_row(alice, model_version), done_row(bob, model_version)
    case = Case.objects.create(owner=bob, title="secret")
    answer = _change(browser, [mine], action="case", case=case.pk)
    assert answer.status_code == 422
    assert "secret" not in answer.content.decode()
    assert case.images.count() == 0
    answer = _change(browser, [other], action="tag", tag="x")
    assert answer.status_code == 422
    assert not Tag.objects.exists()


@pytest.mark.parametrize(
    "data", [{}, {"row": "x"}, {"row": str(uuid.uuid4())}, {"action": "erase"}]
)
def test_nonsense_changes_nothing(browser, data):
    answer = browser.post(f"{HISTORY}/change", {"action": "tag", "tag": "x"} | data)
    assert answer.status_code == 422


def test_all_on_the_page_are_selected_without_javascript(browser, alice, model_version):
    done_row(alice, model_version)
    assert " checked" not in _page(browser).split('<ol class="history">')[1]
    assert " checked" in _page(browser, select="all").split('<ol class="history">')[1]


def test_a_tag_tells_nothing_of_how_others_write_it(browser, alice, bob, dora, model_version):
    row, hidden = done_row(alice, model_version), done_row(bob, model_version)
    Tag.objects.create(name="OpErAtion-Y", key="operation-y")  # as tags were kept before
    for name in ("OpErAtion-X", "OpErAtion-Y"):
        tags.add_tag(by=bob, image=hidden.image, name=name)
        tags.add_tag(by=alice, image=row.image, name=name.lower())
    pages = _page(browser) + _export(browser) + _export(browser, "json")
    pages += "".join(
        AuditDetail.objects.filter(event__actor_id=alice.pk).values_list("body", flat=True)
    )
    assert "operation-x" in pages
    assert "operation-y" in pages
    assert "OpErAtion" not in pages
    assert _shown(_page(browser, tag="Operation-x")) == [str(row.pk)]


@pytest.mark.parametrize("name", ["ﷺ" * 50, "ß" * 50, "a，b", "Ǆ 1"])
def test_a_tag_is_found_by_what_is_shown_of_it(browser, alice, model_version, name):
    row = done_row(alice, model_version)
    tags.add_tag(by=alice, image=row.image, name=name)
    shown = history_export.tags_of([row])[row.image_id][0]
    assert _shown(_page(browser, tag=shown)) == [str(row.pk)]
    assert tags.remove_tag(by=alice, image=row.image, name=shown)


# --- export


def test_the_export_holds_the_whole_search(browser, alice, bob, model_version, monkeypatch):
    monkeypatch.setattr(history_export, "BATCH", 2)
    rows = [named(done_row(alice, model_version), f"dock {n}.jpg") for n in range(5)][::-1]
    named(done_row(alice, model_version), "other.jpg")
    named(done_row(bob, model_version), "dock.jpg")
    tags.add_tag(by=alice, image=rows[0].image, name="story")
    found = _table(_export(browser, query="q=dock"))
    assert [one["id"] for one in found] == [str(row.pk) for row in rows]
    first = found[0]
    assert (first["file_name"], first["tags"]) == ("dock 4.jpg", "story")
    assert first["link"].endswith(reverse("detection", args=[rows[0].pk]))
    as_json = json.loads(_export(browser, "json", query="q=dock"))
    assert [one["id"] for one in as_json["rows"]] == [str(row.pk) for row in rows]
    assert as_json["incomplete"] == ""
    assert _events("detections.exported") == 2


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(browser, alice, model_version, start):
    row = done_row(alice, model_version)
    named(row, f"{start}cmd|' /C calc'!A0")
    tags.add_tag(by=alice, image=row.image, name="=1+1")
    one = _table(_export(browser))[0]
    assert one["file_name"].startswith(f"'{start}")
    assert one["tags"] == "'=1+1"


def test_names_and_cases_of_others_stay_out(browser, alice, bob, carol, client_of, model_version):
    row = named(done_row(bob, model_version), "source-jane.jpg")
    case = Case.objects.create(owner=bob, title="shared")
    case.people.add(alice)
    case.images.add(row.image)
    Case.objects.create(owner=bob, title="bobs own").images.add(row.image)
    text = _export(browser, query="whose=all")
    assert str(row.pk) in text
    assert "jane" not in text
    assert "bobs own" not in text
    assert "jane" in _export(client_of(carol), query="whose=all")


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_an_export_stops_when_access_ends(browser, alice, model_version, monkeypatch, kind):
    monkeypatch.setattr(history_export, "BATCH", 1)
    rows = [done_row(alice, model_version) for _ in range(3)]
    answer = browser.post(f"{HISTORY}/export", {"format": kind})
    parts = iter(answer.streaming_content)
    start = b"".join(next(parts) for _ in range(2))
    User.objects.filter(pk=alice.pk).update(is_active=False)
    rest = b"".join(parts).decode()
    assert str(rows[2].pk) in start.decode()
    assert "INCOMPLETE" in rest
    assert str(rows[0].pk) not in rest


def test_an_export_that_is_cut_says_so(browser, alice, model_version, monkeypatch):
    monkeypatch.setattr(history_export, "MAX_ROWS", 2)
    monkeypatch.setattr(history_export, "BATCH", 2)
    for _ in range(3):
        done_row(alice, model_version)
    assert len(json.loads(_export(browser, "json"))["rows"]) == 2
    assert "INCOMPLETE" in _export(browser)


def test_the_selected_are_exported(browser, alice, bob, model_version):
    rows = [done_row(alice, model_version) for _ in range(3)]
    other = done_row(bob, model_version)
    answer = _change(browser, [rows[2], rows[0], other], action="csv")
    found = _table(b"".join(answer.streaming_content).decode())
    assert [one["id"] for one in found] == [str(rows[2].pk), str(rows[0].pk)]
    assert _events("detections.exported") == 1


def test_an_erased_persons_address_stays_in_no_filter(alice, bob, carol, dora, client_of):
    desk = client_of(carol)
    address = User.objects.get(pk=alice.pk).email
    for name, email in (("hers", address.upper()), ("his", bob.email)):
        query = urlencode({"person": email, "q": "at dusk"})
        desk.post(f"{HISTORY}/filters", {"name": name, "query": query})
        _export(desk, query=query)
    with transaction.atomic():  # as filters were recorded before
        detail = {"filter": urlencode({"person": address})}
        audit.record("detections.exported", actor=carol, target=carol, owner=carol, detail=detail)
    bodies = AuditDetail.objects.filter(event__action="detections.exported")
    assert f"person={bob.email}" in "".join(bodies.values_list("body", flat=True))
    assert "at dusk" in bodies.earliest("pk").body
    erase_person(by=dora, person=alice, reason="x")
    assert [one.name for one in SavedFilter.objects.all()] == ["his"]
    assert bodies.count() == 1
    assert bob.email in bodies.get().body


def test_a_long_search_is_exported_whole_or_not_at_all(browser, alice, model_version):
    row = done_row(alice, model_version)
    done_row(alice, model_version)
    words = "صورة " * 36
    named(row, f"{words}.jpg")
    tags.add_tag(by=alice, image=row.image, name="story")
    query = urlencode({"q": words}) + "&x=" + "y" * 1000 + "&tag=other"
    assert _table(_export(browser, query=query)) == []
    for place in ("export", "change", "filters"):
        data = {"format": "csv", "query": "q=" + "y" * 3999, "name": "x"}
        answer = browser.post(f"{HISTORY}/{place}", data)
        assert answer.status_code == 400
        assert "at most 4,000 characters" in answer.content.decode()
    assert _events("detections.exported") == 1


def test_an_export_is_csv_or_json(browser):
    assert browser.post(f"{HISTORY}/export", {"format": "exe"}).status_code == 400


def test_one_is_led_back_to_the_search(browser):
    answer = browser.post(f"{HISTORY}/filters", {"name": "x", "query": "q=a&next=//evil.example"})
    assert urlsplit(answer["Location"]).netloc == ""
    assert answer["Location"] == f"{HISTORY}?q=a"
    assert history_actions.TYPES.keys() == {"csv", "json"}


# --- the same in the API


def test_the_api_takes_the_same_filters(alice, bob, carol, client_of, model_version):
    row = named(done_row(alice, model_version, verdict=MANIPULATED, probability=0.9), "dock.jpg")
    done_row(bob, model_version)
    api = "/api/v1/detections"

    def ids(by: User, /, **query: str) -> list[str]:
        return [one["id"] for one in client_of(by).get(api, query).json()["results"]]

    for query in (
        {"q": "dock"},
        {"verdict": "likely_manipulated,inconclusive"},
        {"person": alice.email},
        {"model": model_version.artifact_sha256, "order": "likeliest", "q": "dock"},
        {"sha256": row.image.sha256, "status": "done"},
    ):
        assert ids(alice, **query) == ids(carol, **query) == [str(row.pk)], query
    assert ids(bob, person=alice.email) == ids(bob, q="dock") == []
    answer = client_of(alice).get(api, {"order": "likeliest", "cursor": "MC4" + "w" * 3})
    assert answer.status_code == 400


def test_of_many_cases_the_newest_are_offered_and_the_one_that_was_chosen(client, alice):
    client.force_login(alice)
    made = [Case.objects.create(owner=alice, title=f"case {n}") for n in range(MAX_CHOICES + 2)]
    page = client.get(reverse("history"), {"case": str(made[0].pk)}).content.decode()
    select = page[page.index('id="id_case"') :]
    select = select[: select.index("</select>")]
    assert select.count("<option") == 1 + MAX_CHOICES + 1
    assert f'<option value="{made[0].pk}" selected>case 0</option>' in select
    assert "case 1</option>" not in select
    assert f"case {MAX_CHOICES + 1}</option>" in select
