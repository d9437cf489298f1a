"""A frame on the picture: dragged, moved by keys, judged, and followed to its verdict."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from detection.models import Detection, Image, Region
from tests import images
from tests.browser.conftest import Visit, Visiting
from tests.factories import WORKER, submitted

pytestmark = pytest.mark.browser
FACTS = {"format": "PNG", "width": 320, "height": 240, "orientation": 1}


@pytest.fixture
def judged(model: object, alice: User, judge: Callable[..., None]) -> Detection:
    detection = submitted(alice, images.png_bytes()).detection
    judge(detection, 0.95, Detection.Verdict.LIKELY_MANIPULATED)
    Image.objects.filter(pk=detection.image_id).update(facts=FACTS)
    return detection


@pytest.fixture
def visiting(visit: Visiting, alice: User, judged: Detection) -> Visit:
    found = visit()
    found.sign_in(alice)
    found.open(reverse("detection", args=[judged.pk]))
    found.page.get_by_text("Choose a part yourself").click()
    return found


def numbers(page: Page) -> list[float]:
    return [
        float(page.locator(f"#part-{side}").input_value())
        for side in ("left", "top", "width", "height")
    ]


def drag(page: Page, start: tuple[float, float], by: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + by[0], start[1] + by[1], steps=3)
    page.mouse.up()


def test_arrows_move_the_frame_and_with_shift_resize_it(visiting):
    page = visiting.page
    page.locator("[data-choosing]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowDown")
    assert numbers(page) == [26, 24, 50, 51]
    said = page.locator("[data-parts-status]")
    expect(said).to_have_text("Left 26 %, top 24 %, width 50 %, height 51 %")
    for _ in range(80):
        page.keyboard.press("ArrowLeft")
    assert numbers(page)[0] == 0
    assert visiting.complaints == []


def test_a_frame_is_drawn_moved_and_pulled_by_its_corner(visiting):
    page = visiting.page
    canvas = page.locator("[data-canvas]")
    canvas.scroll_into_view_if_needed()
    place: Any = canvas.bounding_box()
    percent = place["width"] / 100, place["height"] / 100

    def at(x: float, y: float) -> tuple[float, float]:
        return place["x"] + x * percent[0], place["y"] + y * percent[1]

    drag(page, at(5, 5), (40 * percent[0], 30 * percent[1]))
    assert numbers(page) == pytest.approx([5, 5, 40, 30], abs=1)
    drag(page, at(25, 20), (20 * percent[0], 10 * percent[1]))
    assert numbers(page) == pytest.approx([25, 15, 40, 30], abs=1)
    corner: Any = page.locator("[data-handle=se]").bounding_box()
    start = corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2
    drag(page, start, (10 * percent[0], 200 * percent[1]))
    assert numbers(page) == pytest.approx([25, 15, 50, 85], abs=1)
    assert visiting.complaints == []


def test_a_part_is_asked_for_and_its_verdict_arrives(visiting):
    page = visiting.page
    page.get_by_role("button", name="Judge this part").click()
    expect(page.get_by_role("heading", name="Being checked…")).to_be_visible()
    claim = Region.objects.claim(Region.objects.get().pk, worker=WORKER)
    assert claim is not None
    claim.complete(verdict="likely_authentic", probability=0.05)
    expect(page.locator(".part").get_by_text("Likely authentic")).to_be_visible()
    expect(page.locator("[data-parts-status]")).to_have_text("Likely authentic")
    picture = page.get_by_alt_text("This part of the picture")
    expect(picture).to_be_visible()
    assert visiting.complaints == []


def test_it_works_without_scripts(visit, alice, judged):
    plain = visit(java_script_enabled=False)
    plain.sign_in(alice)
    page = plain.open(reverse("detection", args=[judged.pk]))
    page.get_by_text("Choose a part yourself").click()
    page.get_by_label("Left").fill("10.5")
    page.get_by_role("button", name="Judge this part").click()
    expect(page.get_by_role("heading", name="Being checked…")).to_be_visible()
    assert Region.objects.get().left_px == 34
