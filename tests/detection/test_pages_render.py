"""What the pages say in each state of a detection."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from accounts.models import User
from detection import likeness
from detection.models import Detection, Image, ModelVersion
from tests import images
from tests.detection.test_likeness import HASH

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
Submit = Callable[..., Detection]


@pytest.fixture
def client(client_of: Callable[[User], Client], alice: User) -> Client:
    return client_of(alice)


@pytest.fixture
def submit(client: Client, model_version: ModelVersion) -> Submit:
    """Submits a drawn photograph as alice, through the page."""

    def send(name: str = "photo.jpg", content: bytes | None = None, **fields: Any) -> Detection:
        file = SimpleUploadedFile(name, content or images.jpeg_bytes(), "image/jpeg")
        client.post(reverse("verify"), {"image": file, **fields})
        return Detection.objects.latest("created_at")

    return send


def _finish(detection: Detection, probability: float | None, verdict: str, **more: Any) -> None:
    claimed = Detection.objects.claim(detection.pk, worker="test:1:1")
    assert claimed is not None
    result = {"probability": probability, "verdict": verdict, "reasons": [], **more}
    assert claimed.complete(**result)


def _page(client: Client, detection: Detection) -> str:
    return client.get(reverse("detection", args=[detection.pk])).content.decode()


def _text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_it_says_words_number_model_and_limits_together(client: Client, submit: Submit) -> None:
    detection = submit()
    ModelVersion.objects.update(
        operating_point={
            "authentic_below": 0.2,
            "manipulated_from": 0.9,
            "max_false_accusation_rate": 0.02,
        }
    )
    _finish(detection, 0.934, Detection.Verdict.LIKELY_MANIPULATED)
    card = client.get(reverse("detection_card", args=[detection.pk])).content.decode()
    text = _text(card)
    assert "Likely manipulated" in text
    assert "93.4 %" in text
    assert "From 90 %: likely manipulated" in text
    assert "Below 20 %: likely authentic" in text
    assert "fake 1" in text
    assert "at most 2 %" in text
    assert 'aria-hidden="true"' in card  # the icon only repeats the words


def test_it_waits_with_a_reload_for_browsers_without_script(client: Client, submit: Submit) -> None:
    html = _page(client, submit())
    assert "Being checked" in html
    assert '<noscript><meta http-equiv="refresh"' in html
    assert 'data-finished="no"' in html


def test_it_no_longer_reloads_once_the_verdict_is_there(client: Client, submit: Submit) -> None:
    detection = submit()
    _finish(detection, 0.05, Detection.Verdict.LIKELY_AUTHENTIC)
    assert "http-equiv" not in _page(client, detection)


def test_it_says_that_a_reason_outweighs_the_number(client: Client, submit: Submit) -> None:
    detection = submit()
    _finish(detection, 0.95, Detection.Verdict.INCONCLUSIVE, reasons=["unstable"])
    text = _text(_page(client, detection))
    assert "Cannot tell" in text
    assert "merely re-saved or resized" in text
    assert "By its number alone, 95 %, it would be “Likely manipulated”" in text


def test_it_shows_no_number_where_nothing_was_scored(client: Client, submit: Submit) -> None:
    detection = submit()
    _finish(detection, None, Detection.Verdict.INCONCLUSIVE, reasons=["too_small"])
    html = _page(client, detection)
    assert "too small" in html
    assert "estimated probability" not in html


def test_it_tells_how_each_resaved_copy_was_answered(client: Client, submit: Submit) -> None:
    detection = submit()
    copies = {"jpeg_85": 0.95, "scale_75": 0.5}
    _finish(
        detection, 0.95, Detection.Verdict.INCONCLUSIVE, reasons=["unstable"], transforms=copies
    )
    text = _text(_page(client, detection))
    assert "Saved again as JPEG, quality 85 95 % the same" in text
    assert "Reduced to three quarters of its size 50 % Cannot tell" in text


# sections that have an anchor of their own, above their title
SAME_PLACE = {"seen-title": "seen-before", "parts-title": "parts", "layers-title": "layers"}
CONTENTS = re.compile(r'<nav [^>]*aria-label="On this page">(.*?)</nav>', re.DOTALL)
SECTION = re.compile(r'<h2 (?:[^>]* )?id="([^"]+)"')


def _contents(html: str) -> list[str]:
    """Anchors that the list of sections leads to."""
    listed = CONTENTS.search(html)
    return re.findall(r'href="#([^"]+)"', listed[1]) if listed else []


@pytest.mark.parametrize("reader", ["alice", "carol"])
@pytest.mark.parametrize("is_rich", [True, False])
def test_a_finished_page_lists_just_the_sections_it_has(
    client_of: Callable[[User], Client],
    submit: Submit,
    request: pytest.FixtureRequest,
    reader: str,
    is_rich: bool,
) -> None:
    more = {"transforms": {"jpeg_85": 0.9}, "faces": [{"probability": 0.7}]} if is_rich else {}
    if is_rich:
        submit("earlier.jpg", images.jpeg_bytes(seed=1))
    detection = submit()
    _finish(detection, 0.95, "likely_manipulated", **more)
    Image.objects.update(**likeness.columns(HASH, likeness.mirrored(HASH)))
    html = _page(client_of(request.getfixturevalue(reader)), detection)
    titles = [SAME_PLACE.get(title, title) for title in SECTION.findall(html)]
    assert _contents(html) == titles
    assert ({"seen-before", "faces", "stability"} <= set(titles)) == is_rich
    assert all(f'id="{anchor}"' in html for anchor in titles)


def test_a_page_that_is_not_finished_lists_no_sections(client: Client, submit: Submit) -> None:
    assert _contents(_page(client, submit())) == []


EVIDENCE = {"activation": np.full((2, 2), 3, "<f2").tobytes(), "activation_shape": [2, 2]}


@pytest.mark.parametrize(
    ("verdict", "is_on"),
    [("likely_manipulated", True), ("likely_authentic", False), ("inconclusive", False)],
)
def test_the_marks_can_be_switched_without_script(
    client: Client, submit: Submit, verdict: str, is_on: bool
) -> None:
    detection = submit()
    _finish(detection, 0.95, verdict, **EVIDENCE)
    html = _page(client, detection)
    assert f'src="{reverse("detection_heatmap", args=[detection.pk])}"' in html
    switch = re.search(r'<input type="checkbox" id="marks"[^>]*>', html)
    assert switch is not None
    assert ("checked" in switch[0]) is is_on
    assert '<label for="marks">' in html
    assert "It shows where it looked, not what was changed." in html


def test_it_says_that_nothing_is_marked(client: Client, submit: Submit) -> None:
    detection = submit()
    _finish(detection, 0.05, "likely_authentic", activation=bytes(8), activation_shape=[2, 2])
    html = _page(client, detection)
    assert "No part is marked" in html
    assert 'id="marks"' not in html


def test_without_a_map_the_picture_stands_alone(client: Client, submit: Submit) -> None:
    detection = submit()
    _finish(detection, 0.95, "likely_manipulated")
    html = _page(client, detection)
    assert "heatmap" not in html
    assert 'id="marks"' not in html
    assert 'id="faces"' not in html


def test_it_tells_each_faces_number_and_its_side(client: Client, submit: Submit) -> None:
    detection = submit()
    box = {"box": [0.1, 0.1, 0.2, 0.2]}
    faces = [{**box, "probability": p} for p in (0.9499, 0.5, 0.04)]
    _finish(detection, 0.95, "likely_manipulated", faces=[*faces, box], **EVIDENCE)
    text = _text(_page(client, detection))
    assert "1 95 % Likely manipulated 2 50 % Cannot tell 3 4 % Likely authentic 4 – –" in text
    assert "The number of one face is no verdict" in text
    assert "Framed: faces" in text


def test_a_faces_number_is_not_rounded_across_a_cut(client: Client, submit: Submit) -> None:
    detection = submit()
    _finish(detection, 0.5, "inconclusive", faces=[{"probability": 0.8999}])
    assert "1 89.99 % Cannot tell" in _text(_page(client, detection))


def test_the_card_puts_its_number_into_images(client: Client, submit: Submit) -> None:
    detection = submit()
    ModelVersion.objects.update(metrics={"calibration": {"fake_share": 0.4787}})
    _finish(detection, 0.934, "likely_manipulated")
    assert (
        "Of 100 images that score like this, about 93 are manipulated,"
        " if 48 % of all submitted are." in _text(_page(client, detection))
    )


def test_the_share_beside_that_number_is_explained_and_leads_to_the_models_card(
    client: Client, submit: Submit
) -> None:
    detection = submit()
    ModelVersion.objects.update(metrics={"calibration": {"fake_share": 0.4787}})
    _finish(detection, 0.934, "likely_manipulated")
    html = _page(client, detection)
    assert "of the images that this number was fitted on were manipulated." in _text(html)
    address = reverse("model", args=[detection.model_version_id])
    assert f'href="{address}#probability"' in html
    assert 'id="probability"' in client.get(address).content.decode()


def test_a_reason_takes_the_number_in_images_away(client: Client, submit: Submit) -> None:
    detection = submit()
    ModelVersion.objects.update(metrics={"calibration": {"fake_share": 0.4787}})
    _finish(detection, 0.934, "inconclusive", reasons=["unstable"])
    assert "Of 100 images" not in _page(client, detection)


@pytest.mark.parametrize(("code", "may_retry"), [("truncated", False), ("decoder_timeout", True)])
def test_it_offers_another_try_only_where_that_makes_sense(
    client: Client, submit: Submit, code: str, may_retry: bool
) -> None:
    detection = submit()
    claimed = Detection.objects.claim(detection.pk, worker="test:1:1")
    assert claimed is not None
    claimed.fail(code)
    html = _page(client, detection)
    assert "Could not be judged" in html
    assert f'<code dir="ltr">{code}</code>' in html
    assert (reverse("detection_retry", args=[detection.pk]) in html) is may_retry


@pytest.mark.parametrize("name", images.HOSTILE_NAMES)
def test_it_shows_a_hostile_name_as_text(client: Client, submit: Submit, name: str) -> None:
    detection = submit(name)
    for html in (_page(client, detection), client.get(reverse("history")).content.decode()):
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "\u202e" not in html


def test_it_isolates_names_from_the_direction_of_the_page(client: Client, submit: Submit) -> None:
    detection = submit("صورة.jpg")
    assert "صورة.jpg</bdi>" in _page(client, detection)
    assert "صورة.jpg</bdi>" in client.get(reverse("history")).content.decode()


def test_it_lists_metadata_as_text_of_the_file(client: Client, submit: Submit) -> None:
    detection = submit()
    detection.image.facts = {
        "format": "JPEG",
        "width": 320,
        "height": 240,
        "metadata": {"exif": {"Make": "<b>Nikon</b>"}, "exif_damaged": True},
        "file": {"read": 1},
    }
    detection.image.save(update_fields=["facts"])
    _finish(detection, 0.05, Detection.Verdict.LIKELY_AUTHENTIC)
    html = _page(client, detection)
    assert "&lt;b&gt;Nikon&lt;/b&gt;" in html
    assert "Maker" in html
    assert "metadata is damaged" in html


def test_it_answers_each_file_of_a_form_by_itself(client: Client, model_version: object) -> None:
    files = [
        SimpleUploadedFile("good.jpg", images.jpeg_bytes(), "image/jpeg"),
        SimpleUploadedFile("notes.jpg", images.text_bytes(), "image/jpeg"),
    ]
    response = client.post(reverse("verify"), {"image": files})
    html = response.content.decode()
    assert response.status_code == 415
    assert "This is not a photograph this desk can read" in html
    assert reverse("detection", args=[Detection.objects.get().pk]) in html


def test_it_says_that_no_file_was_chosen(client: Client) -> None:
    response = client.post(reverse("verify"))
    assert response.status_code == 400
    assert "No photograph was chosen" in response.content.decode()


def test_history_invites_whoever_has_none(client: Client) -> None:
    html = client.get(reverse("history")).content.decode()
    assert "Nothing here yet" in html


def test_history_says_when_a_filter_matches_nothing(client: Client, submit: Submit) -> None:
    submit()
    html = client.get(reverse("history"), {"verdict": "likely_authentic"}).content.decode()
    assert "Nothing matches" in html
    assert "photo.jpg" not in html


def test_history_offers_other_peoples_images_to_reviewers_only(
    client: Client, client_of: Callable[[User], Client], carol: User
) -> None:
    assert "Everybody" not in client.get(reverse("history")).content.decode()
    assert "Everybody" in client_of(carol).get(reverse("history")).content.decode()


def test_history_takes_the_same_queries_for_many_rows_as_for_one(
    client: Client, submit: Submit
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            client.get(reverse("history"))
        return len(asked)

    submit(content=images.jpeg_bytes(seed=1))
    one = queries()
    for seed in range(2, 6):
        submit(content=images.jpeg_bytes(seed=seed))
    assert queries() == one


def test_the_history_says_in_which_zone_its_times_are(client: Client, submit: Submit) -> None:
    submit()
    html = client.get(reverse("history")).content.decode()
    assert re.search(r"<time [^>]*>\d+ \w+ \d{4}, \d\d:\d\d UTC</time>", html)


def test_the_example_of_rare_fakes_uses_the_active_models_figures(
    client: Client, model_version: ModelVersion
) -> None:
    assert "On its test images" not in client.get(reverse("responsible_use")).content.decode()
    rates = {"fakes_caught": {"value": 0.2, "n": 100}, "false_accusations": {"value": 0.02, "n": 9}}
    ModelVersion.objects.update(metrics={"test": {"all": rates}})
    html = client.get(reverse("responsible_use")).content.decode()
    assert "about 10 accusations of fakes and about 19 of real ones" in html
    assert "Most of these accusations would be wrong." in html


def test_a_confidential_submission_says_so(client: Client, submit: Submit) -> None:
    assert "hidden from moderators" in _page(client, submit(is_confidential="true"))


def test_pages_carry_nothing_that_the_content_security_policy_refuses(
    client: Client, submit: Submit
) -> None:
    detection = submit()
    _finish(detection, 0.5, Detection.Verdict.INCONCLUSIVE)
    addresses = [reverse(n) for n in ("verify", "history", "responsible_use")]
    for address in [*addresses, reverse("detection", args=[detection.pk])]:
        html = client.get(address).content.decode()
        assert not re.search(
            r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", html
        ), address


@pytest.fixture
def own_language() -> Iterator[None]:
    """A request leaves its language to the thread; the next test shall not have it."""
    yield
    translation.deactivate()


@pytest.mark.usefixtures("own_language")
@pytest.mark.parametrize("language", ["en", "ar"])
def test_every_page_states_its_language_and_direction(client: Client, language: str) -> None:
    client.post(reverse("set_language"), {"language": language, "next": "/"})
    direction = {"en": "ltr", "ar": "rtl"}[language]
    for name in ("verify", "history", "responsible_use", "account_change_password"):
        html = client.get(reverse(name)).content.decode()
        assert f'<html lang="{language}" dir="{direction}">' in html


def test_the_reset_page_says_that_no_mail_is_sent(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "HAS_MAIL", False)
    html = Client().get(reverse("account_reset_password")).content.decode()
    assert "This desk sends no mail" in html
    assert "password_link" in html


@pytest.mark.parametrize(
    "name",
    [
        "account_login",
        "account_signup",
        "account_reset_password",
        "account_reset_password_done",
        "account_reset_password_from_key_done",
        "account_inactive",
        "account_email_verification_sent",
        "responsible_use",
    ],
)
def test_signed_out_pages_open(db: None, name: str) -> None:
    response = Client().get(reverse(name))
    assert response.status_code == 200
    assert "Unmask</title>" in response.content.decode()


@pytest.mark.parametrize(
    "name", ["account", "account_change_password", "account_logout", "account_reauthenticate"]
)
def test_account_pages_open(client: Client, name: str) -> None:
    assert "Unmask</title>" in client.get(reverse(name)).content.decode()


def test_a_reset_link_that_was_used_says_so(db: None) -> None:
    address = reverse("account_reset_password_from_key", args=["1", "used-up"])
    html = Client().get(address, follow=True).content.decode()
    assert "This link no longer works" in html


@pytest.mark.parametrize(
    "template", ["400.html", "403.html", "403_csrf.html", "404.html", "500.html"]
)
def test_error_pages_need_no_request(template: str) -> None:
    from django.template.loader import get_template

    assert "Unmask</title>" in get_template(template).render()


def test_stylesheets_know_no_left_and_right() -> None:
    physical = re.compile(
        r"\b(margin|padding|border)-(left|right)|(?<![\w-])(left|right)\s*:|: (left|right);"
    )
    for sheet in (settings.BASE_DIR / "static" / "css").glob("*.css"):
        assert not physical.search(sheet.read_text()), sheet.name
