"""The evidence over the picture: by links alone, by keyboard, by touch, and said aloud."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from detection.models import Detection, EvidenceLayer
from detection.services import layers
from tests import images
from tests.browser.conftest import Visiting

pytestmark = pytest.mark.browser
ELA, CLONES = "Error levels", "Repeated parts"
PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def path(model: object, alice: User, judge: Callable[..., None], client: Client) -> str:
    """A judged detection, with a map and with error levels that were drawn before."""
    client.force_login(alice)
    file = SimpleUploadedFile("a.jpg", images.jpeg_bytes(), "image/jpeg")
    client.post(reverse("verify"), {"image": file})
    detection = Detection.objects.get()
    evidence = np.array([[3, -3]], "<f2").tobytes()
    judge(detection, 0.05, "likely_authentic", activation=evidence, activation_shape=[1, 2])
    layers.draw(layers.ask(image=detection.image, kind="ela").pk, worker="test:1:1")
    return reverse("detection", args=[detection.pk])


@pytest.fixture
def drawing() -> Iterator[None]:
    """A stand-in for the worker: draws whatever is asked for, a moment later."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.1):
            for row in EvidenceLayer.objects.filter(status=EvidenceLayer.Status.QUEUED):
                layers.draw(row.pk, worker="test:1:1")
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


def _zoom(page: Page) -> float:
    image = page.locator("[data-stage] img").first
    return float(image.evaluate("image => new DOMMatrix(getComputedStyle(image).transform).a"))


def _chosen(page: Page) -> Locator:
    return page.locator("[data-layers] [aria-current=true]")


def test_without_script_links_and_buttons_do_it(visit: Visiting, alice: User, path: str) -> None:
    visiting = visit(java_script_enabled=False)
    visiting.sign_in(alice)
    page = visiting.open(path)
    expect(page.locator("[data-controls]").first).to_be_hidden()
    page.get_by_role("link", name=ELA).click()
    expect(_chosen(page)).to_contain_text(ELA)
    expect(page.get_by_alt_text(f"Layer: {ELA}")).to_be_visible()
    page.get_by_role("link", name=CLONES).click()
    page.get_by_role("button", name="Draw this layer").click()
    expect(page.get_by_text("It is being drawn.")).to_be_visible()
    layers.draw(EvidenceLayer.objects.get(kind="clones").pk, worker="test:1:1")
    page.reload()  # as the page's refresh does, which this browser holds back with its scripts
    expect(page.get_by_alt_text(f"Layer: {CLONES}")).to_be_visible()


def test_keys_switch_zoom_and_move_and_it_is_said(visit: Visiting, alice: User, path: str) -> None:
    visiting = visit()
    visiting.sign_in(alice)
    page = visiting.open(path)
    last = page.locator("[data-layer]").count()
    expect(page.locator("#layers-keys")).to_contain_text(f"Keys: 1 to {last} choose a layer")
    page.locator("[data-stage]").focus()
    page.keyboard.press("3")
    expect(_chosen(page)).to_contain_text(ELA)
    expect(page.locator("[data-announce]")).to_contain_text("Error levels. The picture was saved")
    assert page.url.endswith("?layer=ela#layers")
    expect(page.locator("[data-stage]")).to_be_focused()
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert _zoom(page) == pytest.approx(1.5625)
    expect(page.locator("output[data-zoomed]")).to_contain_text("156")
    page.keyboard.press("ArrowLeft")
    left = page.locator("[data-stage] img").first.evaluate(
        "image => new DOMMatrix(getComputedStyle(image).transform).e"
    )
    assert left > 0
    page.keyboard.press("2")
    expect(_chosen(page)).to_contain_text("Activation map")
    assert _zoom(page) == pytest.approx(1.5625)  # the same place in the next layer
    page.keyboard.press("0")
    assert _zoom(page) == 1
    assert visiting.complaints == []


def test_a_layer_is_drawn_when_asked_for(
    visit: Visiting, alice: User, path: str, drawing: None
) -> None:
    visiting = visit()
    visiting.sign_in(alice)
    page = visiting.open(f"{path}?layer=clones")
    page.get_by_role("button", name="Draw this layer").click()
    expect(page.get_by_alt_text(f"Layer: {CLONES}")).to_be_visible()
    expect(page.locator("[data-announce]")).to_contain_text(CLONES)
    assert visiting.complaints == []


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_layer_lies_exactly_on_the_picture_and_fades(
    visit: Visiting, alice: User, path: str, language: str
) -> None:
    visiting = visit()
    visiting.sign_in(alice)
    cookie = {"name": "django_language", "value": language, "url": visiting.base}
    visiting.page.context.add_cookies([cookie])
    page = visiting.open(f"{path}?layer=ela")
    picture, layer = page.locator("[data-stage] img").all()
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-stage] img')]"
        ".every(image => image.complete && image.naturalWidth)"
    )
    assert layer.bounding_box() == picture.bounding_box()
    page.locator("[data-opacity]").fill("30")
    assert page.locator(".evidence-layer").evaluate("e => getComputedStyle(e).opacity") == "0.3"
    page.locator("[name=laid][value=beside]").check()
    assert layer.bounding_box()["x"] > picture.bounding_box()["x"]
    assert visiting.complaints == []


def test_on_a_phone_two_fingers_zoom_and_one_moves(visit: Visiting, alice: User, path: str) -> None:
    visiting = visit(**PHONE)
    visiting.sign_in(alice)
    page = visiting.open(f"{path}?layer=ela#layers")
    page.locator("[data-stage]").scroll_into_view_if_needed()
    assert visiting.width_left_over() == 0
    box = page.locator("[data-stage]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": px, "y": py, "id": i} for i, (px, py) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (x - 30, y))
    fingers("touchStart", (x - 30, y), (x + 30, y))
    for apart in (40, 60, 80, 100):
        fingers("touchMove", (x - apart, y), (x + apart, y))
    fingers("touchEnd")
    assert _zoom(page) > 2
    before = page.locator("[data-stage] img").first.bounding_box()["x"]
    fingers("touchStart", (x, y))
    for moved in (10, 20, 40):
        fingers("touchMove", (x + moved, y))
    fingers("touchEnd")
    assert page.locator("[data-stage] img").first.bounding_box()["x"] > before
    assert visiting.complaints == []


def test_the_wheel_scrolls_the_page_until_the_picture_has_the_focus(
    visit: Visiting, alice: User, path: str
) -> None:
    visiting = visit()
    visiting.sign_in(alice)
    page = visiting.open(f"{path}?layer=ela#layers")
    page.locator("[data-stage]").hover()
    page.mouse.wheel(0, -120)
    assert _zoom(page) == 1
    page.locator("[data-stage]").click()
    page.mouse.wheel(0, -120)
    page.wait_for_function(
        "() => new DOMMatrix(getComputedStyle(document.querySelector('[data-stage] img'))"
        ".transform).a > 1"
    )
