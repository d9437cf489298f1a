"""The audit pages: who may read them, what a search finds, one object's whole life."""

import ast
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import audit
from accounts.action_words import ACTIONS, TARGETS
from accounts.checkpoints import RESTORED, SEALED
from accounts.models import AuditDetail, AuditEvent, User
from accounts.trail import Filter
from accounts.verification import KEYED
from accounts.web import audit_pages
from tests.factories import done_row

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[2]
PAGES = ("/audit", "/audit/user/1")


@pytest.fixture
def auditor(db: None) -> User:
    return User.objects.create_user("eve@example.org", "a long enough phrase", is_auditor=True)


@pytest.fixture
def browser(auditor: User, client_of: Callable[[User], Client]) -> Client:
    return client_of(auditor)


def happened(
    action: str = "user.changed", *, actor: User | None, target: User, **more
) -> AuditEvent:
    with transaction.atomic():
        audit.record(action, actor=actor, target=target, owner=target, **more)
        return AuditEvent.objects.latest("pk")


def found(browser: Client, **query: str) -> list[str]:
    """Chain and number of each event on the page, in its order."""
    html = browser.get("/audit", query).content.decode()
    return re.findall(r'<span dir="ltr">(\d+:\d+)</span>', html)


def place(event: AuditEvent) -> str:
    return f"{event.chain}:{event.seq}"


@pytest.mark.parametrize("page", PAGES)
def test_only_auditors_and_administrators_find_the_trail(
    page, alice, bob, carol, dora, auditor, client_of
):
    User.objects.filter(pk=bob.pk).update(is_auditor=True)
    page = page.replace("/1", f"/{alice.pk}")
    happened(actor=dora, target=alice)
    bob.refresh_from_db()
    answers = {
        who.email[0]: client_of(who).get(page).status_code for who in (alice, bob, carol, dora)
    }
    assert answers == {"a": 404, "b": 200, "c": 404, "d": 200}
    assert Client().get(page).status_code == 302


def test_a_deactivated_auditor_reads_nothing(auditor, browser):
    User.objects.filter(pk=auditor.pk).update(is_active=False)
    assert browser.get("/audit").status_code in {302, 404}


def test_nobody_else_exports_or_is_recorded_to_have(alice, carol, client_of):
    for who in (alice, carol):
        assert client_of(who).post("/audit/export", {}).status_code == 404
    assert not AuditEvent.objects.filter(action="audit.exported").exists()


def test_a_search_finds_by_person_object_action_and_day(browser, alice, bob, dora):
    by_dora = happened(actor=dora, target=alice)
    by_desk = happened("user.created", actor=None, target=bob, target_sha256="a" * 64)
    assert found(browser) == [place(by_desk), place(by_dora)]
    assert found(browser, person=" DORA@example.org ") == [place(by_dora)]
    assert found(browser, person="bob@example.org") == [place(by_desk)]
    assert found(browser, person=str(dora.pk)) == [place(by_dora)]
    assert found(browser, person="nobody@example.org") == []
    assert found(browser, about=str(alice.pk)) == [place(by_dora)]
    assert found(browser, about="A" * 64) == [place(by_desk)]
    assert found(browser, action="user.created") == [place(by_desk)]
    today = datetime.now(UTC).date().isoformat()
    assert found(browser, since=today, until=today) == [place(by_desk), place(by_dora)]
    assert found(browser, until="2020-01-01") == found(browser, since="2999-01-01") == []


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"action": "user.forged"},
        {"about": "x" * 65},
        {"person": "p" * 255},
        {"until": "2024-02-30"},
    ],
)
def test_a_search_that_means_nothing_says_so(browser, query):
    answer = browser.get("/audit", query)
    assert (answer.status_code, b"errorlist" in answer.content) == (400, True)


@pytest.mark.parametrize(
    "before", ["", "x", "-1", "9" * 30, "٣", "0", "1.x", "1.2.3", f"{'9' * 30}.1", f"1.{'9' * 30}"]
)
def test_an_unreadable_place_is_the_first_page(browser, alice, before):
    event = happened(actor=None, target=alice)
    assert found(browser, before=before) == [place(event)]


def all_pages(browser: Client, address: str) -> list[str]:
    """Chain and number of each event, page after page."""
    seen = []
    while address:
        html = browser.get(address).content.decode()
        seen += re.findall(r'<span dir="ltr">(\d+:\d+)</span>', html)
        older = re.search(r'rel="next" href="([^"]+)"', html)
        address = "/audit" + older[1].replace("&amp;", "&") if older else ""
    return seen


def test_pages_leave_out_nothing_and_repeat_nothing(browser, alice, bob, monkeypatch):
    monkeypatch.setattr(audit_pages, "PAGE", 3)
    done_by_whom_to_whom = [(None, alice), (alice, bob), (alice, alice)] * 3
    events = [happened(actor=actor, target=target) for actor, target in done_by_whom_to_whom]
    happened(actor=None, target=bob)
    seen = all_pages(browser, "/audit?person=alice%40example.org")
    assert seen == [place(event) for event in reversed(events)]


def test_pages_part_events_of_one_moment(browser, alice, monkeypatch):
    monkeypatch.setattr(audit_pages, "PAGE", 3)
    moment = timezone.now()
    monkeypatch.setattr(audit.timezone, "now", lambda: moment)
    events = [happened(actor=None, target=alice) for _ in range(7)]
    seen = all_pages(browser, "/audit?action=user.changed")
    assert seen == [place(event) for event in reversed(events)]


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (Filter(), "audit_by_time"),
        (Filter(until=date(2020, 1, 1)), "audit_by_time (at<?)"),
        (Filter(action="user.changed"), "audit_by_action (action=?)"),
        (Filter(person="1"), "audit_by_actor (actor_id=?)"),
        (Filter(person="1"), "audit_by_target (target_type=? AND target_id=?)"),
        (Filter(about="1"), "audit_by_target (target_type=? AND target_id=?)"),
    ],
)
def test_a_page_comes_from_an_index(db, asked, index):
    if connection.vendor != "sqlite":
        pytest.skip("few rows tell nothing of PostgreSQL's plans")
    with CaptureQueriesContext(connection) as captured:
        asked.newest(51)
    with connection.cursor() as cursor:
        plan = ""
        for query in captured.captured_queries:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plan += "".join(f"{row[-1]}\n" for row in cursor.fetchall())
    assert f"INDEX {index}" in plan
    assert "TEMP B-TREE" not in plan or asked.about  # a few events of one object are sorted


def test_no_id_is_twice_on_the_page_and_the_export_is_of_the_search(browser, alice):
    happened(actor=alice, target=alice)
    html = browser.get("/audit", {"person": alice.email}).content.decode()
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert "id_person" in ids
    assert len(ids) == len(set(ids))
    export = html.split('<form class="export"')[1]
    assert f'<input type="hidden" name="person" value="{alice.email}"' in export


def test_an_image_has_its_whole_life_on_one_page(browser, alice, model_version):
    detection = done_row(alice, model_version)
    with transaction.atomic():
        for action, target in (
            ("submission.accepted", detection.submissions.first() or detection.image),
            ("detection.completed", detection),
            ("image.downloaded", detection.image),
        ):
            audit.record(action, actor=alice, target=target, owner=alice)
    lives = {
        browser.get(address).content.decode().count('<li class="event')
        for address in (f"/audit/image/{detection.image_id}", f"/audit/detection/{detection.pk}")
    }
    assert lives == {AuditEvent.objects.count()}


def test_an_object_that_nothing_happened_to_has_no_life(browser):
    for address in ("/audit/image/nonsense", "/audit/detection/1", "/audit/user/99999999"):
        assert browser.get(address).status_code == 404


def test_a_change_behind_the_desks_back_is_marked(browser, alice, monkeypatch):
    event = happened(actor=None, target=alice, after={"role": "journalist"})
    page = f"/audit/user/{alice.pk}"
    assert b"is-broken" not in browser.get(page).content
    monkeypatch.setattr(AuditEvent, "computed_hash", lambda self: "0" * 64)
    html = browser.get(page).content.decode()
    assert "is-broken" in html
    assert place(event) in html


@pytest.mark.parametrize("target_id", ["", "a/b", "<b>"])
def test_a_forged_object_breaks_no_page(browser, alice, target_id):
    AuditEvent.objects.create(
        chain=3, seq=9, at=datetime.now(UTC), action="forged", target_type="", target_id=target_id
    )
    answer = browser.get("/audit")
    assert (answer.status_code, b"is-broken" in answer.content) == (200, True)


def test_text_about_persons_is_shown_until_it_is_erased(browser, alice):
    event = happened(actor=None, target=alice, detail={"file_name": "<b>planted</b>.jpg"})
    html = browser.get("/audit").content.decode()
    assert "&lt;b&gt;planted&lt;/b&gt;.jpg" in html
    AuditDetail.objects.filter(event=event).delete()
    html = browser.get("/audit").content.decode()
    assert "planted" not in html
    assert "Text about a person was erased" in html


def test_a_trail_without_events_says_so(browser):
    assert b"Nothing matches" in browser.get("/audit").content


def test_fifty_events_ask_the_database_a_few_times(
    browser, alice, dora, django_assert_max_num_queries
):
    for _ in range(50):
        happened(actor=dora, target=alice, detail={"n": "x"})
    with django_assert_max_num_queries(5):
        assert len(found(browser)) == 50


DOORS = {
    "record",
    "_record",
    "record_end",
    "_finish",
    "_record_image",
    "_record_departure",
    "_switch",
}


def test_every_action_that_is_recorded_has_words():
    recorded = set()
    for app in ("accounts", "detection", "deepfake_site"):
        for path in (ROOT / app).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text())):
                recorded |= set(_recorded(call))
    assert len(recorded) >= 12
    assert recorded | {KEYED} == set(ACTIONS)  # which a migration records
    assert {"image", "detection", "submission", "user"} <= set(TARGETS)


def _recorded(call: ast.AST) -> list[str]:
    """Actions that a call records, by whichever of the doors to `audit.record`."""
    if not (isinstance(call, ast.Call) and call.args):
        return []
    name, args = getattr(call.func, "attr", getattr(call.func, "id", "")), call.args
    if name == "partial" and len(args) > 1:
        name, args = getattr(args[0], "attr", getattr(args[0], "id", "")), args[1:]
    if name not in DOORS:
        return []
    named = {"SEALED": SEALED, "RESTORED": RESTORED}.get(getattr(args[0], "id", ""))
    if named:
        return [named]
    constants = [n.value for n in ast.walk(args[0]) if isinstance(n, ast.Constant)]
    return [text for text in constants if isinstance(text, str) and "." in text]
