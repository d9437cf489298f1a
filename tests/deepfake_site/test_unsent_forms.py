"""What was typed into a form that could not be taken comes back, and goes nowhere else."""

import logging
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import get_resolver

from deepfake_site.unsent_forms import WRITTEN
from detection.models import Detection, Feedback
from tests import images
from tests.factories import done_row

pytestmark = pytest.mark.django_db
ORIGIN = "http://testserver"
HTML = "text/html,application/xhtml+xml"
TYPED = 'The shadow falls <b>the wrong way</b>, "look"'
SHOWN = "The shadow falls &lt;b&gt;the wrong way&lt;/b&gt;, &quot;look&quot;"


@pytest.fixture
def detection(alice: Any, model_version: Any) -> Detection:
    return done_row(alice, model_version)


def _headers(page: str) -> dict[str, str]:
    return {"Accept": HTML, "Origin": ORIGIN, "Referer": f"{ORIGIN}{page}"}


def _say(client: Client, detection: Detection, **more: Any) -> Any:
    page = f"/detections/{detection.pk}"
    form = {"says": "wrong", "comment": TYPED, **more.pop("form", {})}
    return client.post(f"{page}/feedback", form, headers=_headers(page) | more)


def test_it_comes_back_to_somebody_whose_session_ended(client, detection):
    answer = _say(client, detection)
    html = answer.content.decode()
    assert (answer.status_code, answer["Cache-Control"]) == (403, "no-store")
    assert "Your session had ended" in html
    assert SHOWN in html
    assert "<b>" not in html
    assert f'href="/accounts/login/?next=%2Fdetections%2F{detection.pk}"' in html
    assert not Feedback.objects.exists()


def test_nothing_else_of_the_form_comes_back(client, detection):
    secret = {"csrfmiddlewaretoken": "t0ken-of-it", "password": "pass of it", "token": "t0 of it"}
    html = _say(client, detection, form=secret).content.decode()
    assert SHOWN in html
    assert not [text for text in secret.values() if text in html]


def test_it_is_kept_in_no_session_and_in_no_log(client, detection, caplog):
    caplog.set_level(logging.DEBUG)
    _say(client, detection)
    assert "shadow" not in caplog.text
    assert "shadow" not in str(dict(client.session))


def test_a_form_of_before_a_new_sign_in_gives_its_texts_back_too(alice, detection):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    answer = _say(browser, detection, form={"csrfmiddlewaretoken": "x" * 64})
    html = answer.content.decode()
    assert (answer.status_code, answer["Cache-Control"]) == (403, "no-store")
    assert "The form had expired" in html
    assert SHOWN in html
    assert f'class="button" href="/detections/{detection.pk}"' in html
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {"Origin": "", "Referer": "https://evil.example.org/"},
        {"Origin": "", "Referer": "http://["},
        {"Origin": "", "Referer": ""},
        {"Accept": "application/json"},
    ],
)
def test_another_site_or_a_script_gets_nothing_back(client, detection, changed):
    assert _say(client, detection, **changed).status_code == 302
    strict = Client(enforce_csrf_checks=True)
    answer = _say(strict, detection, **changed)
    assert answer.status_code == 403
    assert "shadow" not in answer.content.decode()


@pytest.mark.parametrize("page", ["//evil.example.org/x", "/accounts/login/", ""])
def test_a_page_that_is_none_of_a_form_is_not_led_to(client, detection, page):
    headers = {**_headers(page), "Referer": f"{ORIGIN}{page}" if page else ""}
    case = f"/cases/{uuid.UUID(int=1)}"
    html = client.post(f"{case}/notes", {"text": TYPED}, headers=headers).content.decode()
    assert f'href="/accounts/login/?next={case.replace("/", "%2F")}"' in html


def test_an_upload_says_that_the_file_was_not_kept(client, data_dir):
    file = SimpleUploadedFile("a.jpg", images.jpeg_bytes(), "image/jpeg")
    answer = client.post("/", {"image": file}, headers=_headers("/"))
    html = answer.content.decode()
    assert answer.status_code == 403
    assert "it was not kept: choose it again" in html
    assert 'href="/accounts/login/?next=%2F"' in html
    assert not list((data_dir / "incoming").glob("*"))


def test_a_form_without_texts_leads_to_the_sign_in_page(client, detection):
    page = f"/detections/{detection.pk}"
    body = "comment=+&says=wrong"
    kind = "application/x-www-form-urlencoded"
    answer = client.post(f"{page}/feedback", body, content_type=kind, headers=_headers(page))
    assert answer["Location"] == f"/accounts/login/?next={page}/feedback"


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/password/reset/"])
def test_the_pages_of_signing_in_show_nothing_again(path):
    browser = Client(enforce_csrf_checks=True)
    form = {"login": "me@example.org", "password": "pass of it", "note": TYPED}
    answer = browser.post(path, form, headers=_headers(path))
    assert answer.status_code == 403
    assert "shadow" not in answer.content.decode()


def _text_areas() -> Iterator[str]:
    for template in (settings.BASE_DIR / "templates").rglob("*.html"):
        yield from re.findall(r'<textarea[^>]* name="(\w+)"', template.read_text())
    assert get_resolver().url_patterns  # which loads the modules of all forms
    for form in forms.Form.__subclasses__():
        if form.__module__.startswith(("accounts.", "detection.")):
            for name, field in form.base_fields.items():
                if isinstance(field.widget, forms.Textarea):
                    yield name


def test_every_text_area_of_the_site_is_given_back():
    found = set(_text_areas())
    assert {"comment", "note", "text"} <= found
    assert found <= WRITTEN.keys()
