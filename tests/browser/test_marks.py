"""The marks over the picture: switched by keyboard, without script, and never mirrored."""

from collections.abc import Callable

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from detection.models import Detection
from tests import images
from tests.browser.conftest import Visiting

pytestmark = pytest.mark.browser
IS_LOADED = "image => image.complete && image.naturalWidth > 0"


@pytest.fixture
def path(model: object, alice: User, judge: Callable[..., None], client: Client) -> str:
    """A detection called authentic, whose map marks the left half all the same."""
    client.force_login(alice)
    file = SimpleUploadedFile("a.jpg", images.jpeg_bytes(), "image/jpeg")
    client.post(reverse("verify"), {"image": file})
    detection = Detection.objects.get()
    evidence = np.array([[3, -3]], "<f2").tobytes()
    verdict = Detection.Verdict.LIKELY_AUTHENTIC
    judge(detection, 0.05, verdict, activation=evidence, activation_shape=[1, 2])
    return reverse("detection", args=[detection.pk])


def _switch(page: Page) -> None:
    page.locator("#marks").focus()
    page.keyboard.press("Space")


def test_the_marks_are_switched_by_keyboard_and_without_script(
    visit: Visiting, alice: User, path: str
) -> None:
    visiting = visit(java_script_enabled=False)
    visiting.sign_in(alice)
    marks = visiting.open(path).locator(".overlay")
    expect(marks).to_be_hidden()
    _switch(visiting.page)
    expect(marks).to_be_visible()
    _switch(visiting.page)
    expect(marks).to_be_hidden()


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_marks_lie_exactly_on_the_picture(
    visit: Visiting, alice: User, path: str, language: str
) -> None:
    visiting = visit()
    visiting.sign_in(alice)
    cookie = {"name": "django_language", "value": language, "url": visiting.base}
    visiting.page.context.add_cookies([cookie])
    page = visiting.open(path)
    _switch(page)
    preview, marks = page.locator(".layers img").all()
    # only these two: pictures further down the page load when somebody scrolls to them
    for picture in (preview, marks):
        page.wait_for_function(IS_LOADED, arg=picture.element_handle())
    assert marks.bounding_box() == preview.bounding_box()
    assert marks.evaluate("image => getComputedStyle(image).transform") == "none"
    assert visiting.complaints == []
