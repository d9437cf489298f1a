"""The review desk in a browser: by keys alone, without script, two people and one item."""

from collections.abc import Callable

import pytest
from django.db import transaction
from playwright.sync_api import Page, expect

from accounts.models import User
from detection.models import Decision, Detection, ModelVersion, ReviewItem
from detection.services import review, review_rules
from tests import images
from tests.browser.conftest import Visit, Visiting
from tests.factories import submitted
from tests.review_desk import moderator

pytestmark = pytest.mark.browser

ANSWERS = [
    ("a", "7", "authentic", "nothing_found"),
    ("m", "4", "manipulated", "visible_traces"),
    ("c", "8", "cannot_tell", "not_enough"),
    ("m", "6", "manipulated", "evidence_layers"),
    ("a", "1", "authentic", "original_found"),
]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told and nothing is learnt: the matter of other tests."""
    for name in ("telling.review_completed", "telling.review_withdrawn", "reviewed_labels.learn"):
        monkeypatch.setattr(f"detection.services.{name}", lambda *_: None)
    monkeypatch.setattr("detection.services.reviewed_labels.unlearn", lambda *_: None)


@pytest.fixture
def queue(
    model: ModelVersion, alice: User, carol: User, judge: Callable[..., None]
) -> list[ReviewItem]:
    """Five judged pictures on the desk, the first disputed, without golden ones among them."""
    review_rules.set_rules(by=carol, second_opinion_share=0, golden_share=0)
    items = []
    for seed in range(5):
        name = f"picture-{seed}.jpg"
        row = submitted(alice, images.jpeg_bytes(seed=seed), name=name).detection
        judge(row, 0.5, Detection.Verdict.INCONCLUSIVE, reasons=["unstable"])
        row.refresh_from_db()
        with transaction.atomic():
            item = review.open_item(row, "inconclusive" if seed else "disputed")
        assert item is not None
        items.append(item)
    items[0].detection.feedback.create(
        by=alice, label="real", category="false_positive", comment="I was there."
    )
    return items


def _signed_in(visit: Visiting, user: User, **options: object) -> Visit:
    visiting = visit(**options)
    visiting.sign_in(user)
    return visiting


def _decided() -> list[tuple[str, str]]:
    return list(Decision.objects.order_by("created_at").values_list("outcome", "reason"))


def _next(page: Page, before: str) -> None:
    """Wait until another page than this one is there."""
    page.wait_for_function("before => location.href !== before", arg=before)
    page.wait_for_load_state()


def test_a_long_queue_is_gone_through_page_by_page_without_script(
    visit: Visiting, carol: User, queue: list[ReviewItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detection.web.review_desk.PAGE", 3)
    page = _signed_in(visit, carol, java_script_enabled=False).open("/review")
    expect(page.get_by_text("5 items, the most urgent first")).to_be_visible()
    page.get_by_role("link", name="Next page").click()
    expect(page.locator(".review-row")).to_have_count(2)
    page.get_by_role("link", name="Select all on this page").click()
    expect(page.locator(".review-row input:checked")).to_have_count(2)
    expect(page.get_by_role("link", name="Next page")).to_have_count(0)
    page.get_by_role("link", name="First page").click()
    expect(page.locator(".review-row")).to_have_count(3)


def test_five_items_are_decided_by_keys_alone(
    visit: Visiting, carol: User, queue: list[ReviewItem]
) -> None:
    visiting = _signed_in(visit, carol)
    page = visiting.open("/review")
    page.get_by_role("button", name="Next item").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/review/*-*")
    for number, (outcome, reason, *_) in enumerate(ANSWERS):
        expect(page.get_by_role("heading", level=1)).to_contain_text(f"picture-{number}.jpg")
        here = page.url
        page.keyboard.press(outcome)
        page.keyboard.press(reason)
        page.keyboard.press("n")
        page.keyboard.type("same as before: a m c s e 1 2 ?")
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        _next(page, here)
    expect(page.get_by_text("Nothing more waits for you.")).to_be_visible()
    assert _decided() == [(outcome, reason) for *_, outcome, reason in ANSWERS]
    assert set(Decision.objects.values_list("note", flat=True)) == {
        "same as before: a m c s e 1 2 ?"
    }
    assert visiting.complaints == []


def test_without_script_the_same_five_by_the_keyboard(
    visit: Visiting, carol: User, queue: list[ReviewItem]
) -> None:
    visiting = _signed_in(visit, carol, java_script_enabled=False)
    page = visiting.open("/review")
    page.get_by_role("button", name="Next item").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/review/*-*")
    for number, (*_, outcome, reason) in enumerate(ANSWERS):
        expect(page.get_by_role("heading", level=1)).to_contain_text(f"picture-{number}.jpg")
        here = page.url
        for name, value in (("outcome", outcome), ("reason", reason)):
            page.locator(f"[name={name}][value={value}]").focus()
            page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url, here=here: url != here)
    assert _decided() == [(outcome, reason) for *_, outcome, reason in ANSWERS]


def test_keys_skip_escalate_blur_grey_and_help(
    visit: Visiting, carol: User, queue: list[ReviewItem]
) -> None:
    visiting = _signed_in(visit, carol)
    page = visiting.open(f"/review/{queue[0].pk}")
    picture = page.locator(".review-frame img")

    def shown() -> str:
        return str(picture.evaluate("image => getComputedStyle(image).filter"))

    assert shown() == "blur(22px)"
    page.keyboard.press("g")
    assert shown() == "blur(22px) grayscale(1)"
    page.keyboard.press("b")
    with page.expect_response("**/review/look"):
        page.keyboard.press("g")
    assert shown() == "none"
    page.keyboard.press("?")
    expect(page.get_by_text("skip, escalate")).to_be_visible()
    here = page.url
    page.keyboard.press("s")
    _next(page, here)
    assert shown() == "none"  # remembered
    here = page.url
    page.keyboard.press("n")
    page.keyboard.type("needs a lawyer")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    _next(page, here)
    queue[1].refresh_from_db()
    assert queue[1].is_escalated
    assert queue[0].passed_on.get().kind == "skipped"
    assert queue[1].passed_on.get().note == "needs a lawyer"
    assert visiting.complaints == []


def test_blur_is_lifted_without_script_and_remembered_with_the_answer(
    visit: Visiting, carol: User, queue: list[ReviewItem]
) -> None:
    visiting = _signed_in(visit, carol, java_script_enabled=False)
    page = visiting.open(f"/review/{queue[0].pk}")
    picture = page.locator(".review-frame img")
    expect(picture).to_have_css("filter", "blur(22px)")
    page.get_by_label("Blurred").uncheck()
    expect(picture).to_have_css("filter", "none")
    page.get_by_role("button", name="Skip").click()
    expect(page.locator(".review-frame img")).to_have_css("filter", "none")


def test_two_browsers_never_hold_the_same_item(
    visit: Visiting, carol: User, queue: list[ReviewItem]
) -> None:
    erin = moderator("erin")
    erin.set_password("correct horse battery staple")
    erin.save()
    first, second = _signed_in(visit, carol), _signed_in(visit, erin)
    path = f"/review/{queue[0].pk}"
    first.open(path)
    expect(first.page.get_by_role("heading", name="What do you say?")).to_be_visible()
    second.open(path)
    expect(second.page.get_by_text("carol@example.org holds it until")).to_be_visible()
    second.page.keyboard.press("m")  # no key does anything here
    second.page.get_by_role("button", name="Next item").click()
    second.page.wait_for_url(f"**/review/{queue[1].pk}")

    # the first loses it while typing: told at once, and nothing is gone
    first.page.get_by_label("Note").fill("Long thoughts")
    first.page.keyboard.press("Escape")
    ReviewItem.objects.filter(pk=queue[0].pk).update(claimed_by=erin)
    first.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(first.page.locator("[data-lease-text]")).to_have_text("You no longer hold this item.")
    first.page.keyboard.press("m")
    first.page.keyboard.press("4")
    first.page.keyboard.press("Enter")
    expect(first.page.get_by_text("Somebody else holds this item now.")).to_be_visible()
    expect(first.page.get_by_text("Long thoughts")).to_be_visible()
    assert not Decision.objects.exists()
    assert first.complaints == []


def test_a_draft_outlives_a_reload_and_a_sign_in(
    visit: Visiting, carol: User, queue: list[ReviewItem]
) -> None:
    visiting = _signed_in(visit, carol)
    page = visiting.open(f"/review/{queue[0].pk}")
    page.keyboard.press("c")
    page.get_by_label("Note").fill("Half a thought")
    page.reload()
    expect(page.get_by_label("Note")).to_have_value("Half a thought")
    expect(page.get_by_role("radio", name="Cannot tell")).to_be_checked()
    page.locator("[name=reason]").first.check()
    page.context.clear_cookies(name="unmask_session")
    page.get_by_role("button", name="Decide, then the next").click()
    expect(page.get_by_role("heading", name="Your session had ended")).to_be_visible()
    visiting.sign_in(carol)
    page = visiting.open(f"/review/{queue[0].pk}")
    expect(page.get_by_label("Note")).to_have_value("Half a thought")


def test_an_arabic_keyboard_finds_the_keys_by_their_place(
    visit: Visiting, carol: User, queue: list[ReviewItem]
) -> None:
    visiting = _signed_in(visit, carol)
    page = visiting.open(f"/review/{queue[0].pk}")
    press = """([key, code]) => document.activeElement.dispatchEvent(
        new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true }))"""
    page.evaluate(press, ["ة", "KeyM"])
    expect(page.get_by_role("radio", name="Manipulated")).to_be_checked()
    page.evaluate(press, ["٤", "Digit4"])
    expect(page.get_by_role("radio", name="Traces of manipulation")).to_be_checked()


def test_rows_are_chosen_and_closed_together(
    visit: Visiting, carol: User, queue: list[ReviewItem]
) -> None:
    visiting = _signed_in(visit, carol)
    page = visiting.open("/review")
    page.get_by_role("link", name="Select all on this page").click()
    expect(page.locator("[data-selected]")).to_have_text("5")
    page.get_by_role("button", name="Close as “cannot tell”").click()
    expect(page.get_by_text("4 changed")).to_be_visible()
    expect(page.get_by_text("Somebody waits for its outcome")).to_be_visible()
    assert ReviewItem.objects.filter(status="closed").count() == 4
