"""The pages: who sees what, that nothing hostile gets through, and the right word in the end."""

import re
from collections.abc import Callable

import PIL.Image
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from detection import storage
from detection.models import Detection, ModelVersion, Submission
from detection.tasks import run_detection
from tests import images
from tests.factories import WORKER, detection_row, done_row, queries_of_a_limit, submitted

pytestmark = pytest.mark.django_db
NOBODY = "ab000000-0000-4000-8000-000000000001"
PAGES = {
    "verify": [],
    "history": [],
    "image_search": [],
    "detection": [NOBODY],
    "detection_card": [NOBODY],
    "detection_heatmap": [NOBODY],
    "image_preview": [NOBODY, 320],
    "image_original": [NOBODY],
}
POSTS = {
    "verify": [],
    "image_search": [],
    "detection_retry": [NOBODY],
    "submit_sample": ["harbour"],
}


@pytest.fixture
def browser(alice: User, client_of: Callable[..., Client]) -> Client:
    """Alice's."""
    return client_of(alice)


def _text(response: HttpResponse) -> str:
    html = re.sub(r"(?s)<(script|style|template).*?</\1>", " ", response.content.decode())
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def _file(data: bytes | None = None, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, images.jpeg_bytes() if data is None else data)


def _colour(*rgb: int) -> bytes:
    return images.encode(PIL.Image.new("RGB", (64, 64), rgb), "PNG")


# --- signed out, wrong method, forged


@pytest.mark.any_database
@pytest.mark.parametrize("name", PAGES)
def test_signed_out_one_is_sent_to_sign_in(client, name):
    url = reverse(name, args=PAGES[name])
    response = client.get(url)
    assert response.status_code == 302
    assert response.url.startswith(reverse("account_login"))


@pytest.mark.any_database
@pytest.mark.parametrize("name", POSTS)
def test_signed_out_nothing_can_be_posted(client, name):
    response = client.post(reverse(name, args=POSTS[name]), {"image": _file()})
    assert response.status_code == 302
    assert not Submission.objects.exists()


@pytest.mark.any_database
@pytest.mark.parametrize("name", POSTS)
def test_a_post_without_a_token_is_403(alice, name):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    response = browser.post(reverse(name, args=POSTS[name]), {"image": _file()})
    assert response.status_code == 403
    assert not Submission.objects.exists()


def test_a_post_with_its_token_is_accepted(alice, model_version):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    page = browser.get("/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
    form = {"image": _file(), "csrfmiddlewaretoken": token}
    assert browser.post("/", form).status_code == 302
    assert Submission.objects.count() == 1


@pytest.mark.any_database
@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("name", PAGES)
def test_a_wrong_method_is_405(browser, name, method):
    response = getattr(browser, method)(reverse(name, args=PAGES[name]))
    assert response.status_code == 405


@pytest.mark.parametrize("name", ["detection_retry", "submit_sample"])
def test_what_changes_something_cannot_be_got(browser, name):
    assert browser.get(reverse(name, args=POSTS[name])).status_code == 405


@pytest.mark.parametrize("name", [name for name in PAGES if PAGES[name]])
def test_what_does_not_exist_is_404(browser, name):
    assert browser.get(reverse(name, args=PAGES[name])).status_code == 404


def test_the_page_on_responsible_use_is_open_to_all(client):
    assert client.get(reverse("responsible_use")).status_code == 200


# --- one's own and strangers'


@pytest.fixture
def row(alice: User, model_version: ModelVersion) -> Detection:
    """Alice's, judged."""
    submission = submitted(alice, images.gps_jpeg(), name="my-source.jpg")
    claim = Detection.objects.claim(submission.detection_id, worker=WORKER)
    evidence = {"activation": bytes(8), "activation_shape": [2, 2]}
    claim.complete(verdict="likely_authentic", probability=0.1, **evidence)
    return Detection.objects.get()


def _urls(row: Detection) -> list[str]:
    names = ["detection", "detection_card", "detection_heatmap"]
    return [
        *[reverse(name, args=[row.pk]) for name in names],
        reverse("image_preview", args=[row.image_id, 320]),
        reverse("image_original", args=[row.image_id]),
    ]


def test_the_owner_sees_everything(row, browser):
    assert [browser.get(url).status_code for url in _urls(row)] == [200] * 5


def test_a_stranger_gets_404(row, bob, client_of):
    browser = client_of(bob)
    assert [browser.get(url).status_code for url in _urls(row)] == [404] * 5
    assert browser.post(reverse("detection_retry", args=[row.pk])).status_code == 404


def test_a_strangers_look_at_an_original_is_not_recorded_as_one(row, bob, client_of):
    client_of(bob).get(reverse("image_original", args=[row.image_id]))
    assert not AuditEvent.objects.filter(action="image.downloaded").exists()


def test_a_moderator_sees_it(row, carol, client_of):
    browser = client_of(carol)
    assert [browser.get(url).status_code for url in _urls(row)] == [200] * 5


def test_a_moderator_does_not_see_the_confidential(row, carol, client_of):
    row.image.is_confidential = True
    row.image.save()
    browser = client_of(carol)
    assert [browser.get(url).status_code for url in _urls(row)] == [404] * 5
    assert "my-source" not in _text(browser.get(reverse("history"), {"whose": "all"}))


@pytest.mark.parametrize("whose", ["mine", "all", "alice", ""])
def test_a_strangers_history_is_empty(row, bob, client_of, whose):
    text = _text(client_of(bob).get(reverse("history"), {"whose": whose}))
    assert "my-source" not in text
    assert row.image.sha256[:12] not in text


def test_the_name_one_person_gave_a_file_is_not_shown_to_another(alice, bob, row, client_of):
    with_bob = submitted(bob, images.gps_jpeg(), name="bobs-name.jpg")
    page = client_of(bob).get(reverse("detection", args=[with_bob.detection_id]))
    assert "my-source" not in page.content.decode()
    assert "alice" not in page.content.decode()


# --- originals and previews


def test_an_original_is_a_download_and_nothing_else(row, browser):
    response = browser.get(reverse("image_original", args=[row.image_id]))
    assert b"".join(response.streaming_content) == images.gps_jpeg()
    assert response["Content-Disposition"].startswith("attachment; filename=")
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]


def test_an_original_is_not_named_by_the_client(row, browser):
    response = browser.get(reverse("image_original", args=[row.image_id]))
    assert row.image.sha256[:16] in response["Content-Disposition"]
    assert "my-source" not in response["Content-Disposition"]


def test_every_look_at_an_original_is_recorded(row, carol, client_of):
    for _ in range(2):
        client_of(carol).get(reverse("image_original", args=[row.image_id]))
    events = AuditEvent.objects.filter(action="image.downloaded")
    assert [event.actor_id for event in events] == [carol.pk] * 2
    assert {event.target_sha256 for event in events} == {row.image.sha256}


def test_an_original_that_is_gone_is_404_and_no_look(row, browser):
    storage.original_path(row.image_id).unlink()
    assert browser.get(reverse("image_original", args=[row.image_id])).status_code == 404
    assert not AuditEvent.objects.filter(action="image.downloaded").exists()


def test_a_preview_is_an_image_and_nothing_else(row, browser):
    response = browser.get(reverse("image_preview", args=[row.image_id, 1024]))
    assert response["Content-Type"] == "image/jpeg"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert "private" in response["Cache-Control"]


def test_a_preview_says_nothing_of_where_it_was_taken(row, browser):
    response = browser.get(reverse("image_preview", args=[row.image_id, 1024]))
    data = b"".join(response.streaming_content)
    assert not [word for word in (b"Exif", b"GPS", b"Model 5", b"SERIAL") if word in data]


@pytest.mark.parametrize("side", [0, 1, 319, 5000, 10**12])
def test_a_preview_comes_in_two_sizes(row, browser, side):
    url = f"/images/{row.image_id}/preview/{side}"
    assert browser.get(url).status_code == 404


def test_what_cannot_be_decoded_has_no_preview(alice, browser, model_version):
    image = submitted(alice, images.truncated(images.jpeg_bytes())).image
    assert browser.get(reverse("image_preview", args=[image.pk, 320])).status_code == 404


# --- the right word in the end


@pytest.mark.parametrize(
    ("colour", "title"),
    [
        ((255, 0, 0), "Likely manipulated"),
        ((0, 0, 255), "Likely authentic"),
        ((128, 0, 128), "Cannot tell"),
    ],
)
def test_fake_is_one_up_to_the_word_on_the_page(red_model, browser, colour, title):
    """With a real network that knows red as fake: no step on the way turns the answer around."""
    url = browser.post("/", {"image": _file(_colour(*colour), "a.png")}).url
    run_detection(str(Detection.objects.get().pk))
    page = browser.get(url).content.decode()
    assert re.search(r"<span data-verdict>(.*?)</span>", page)[1] == title
    assert re.search(r"<title>\s*(.*?)\s*(·|—|-|\|)", page)[1].startswith(title)


@pytest.mark.parametrize(
    ("probability", "verdict", "title"),
    [
        (0.93, "likely_manipulated", "Likely manipulated"),
        (0.05, "likely_authentic", "Likely authentic"),
        (0.5, "inconclusive", "Cannot tell"),
    ],
)
def test_page_card_history_and_api_agree(
    alice, browser, model_version, probability, verdict, title
):
    row = done_row(alice, model_version, probability=probability, verdict=verdict)
    for name in ("detection", "detection_card"):
        assert title in _text(browser.get(reverse(name, args=[row.pk])))
    entry = browser.get(reverse("history")).content.decode().split('<ol class="history">')[1]
    assert title in entry
    answer = browser.get(f"/api/v1/detections/{row.pk}").json()
    assert (answer["verdict"], answer["probability"]) == (verdict, probability)


def test_a_veto_says_why_and_names_no_probability_it_does_not_have(alice, browser, model_version):
    row = done_row(
        alice, model_version, verdict="inconclusive", probability=None, reasons=["too_small"]
    )
    text = _text(browser.get(reverse("detection_card", args=[row.pk])))
    assert "too small to carry reliable traces" in text
    assert "None" not in text


def test_an_unjudged_image_says_so_and_asks_to_come_back(alice, browser, model_version):
    row = detection_row(alice, model_version)
    page = browser.get(reverse("detection", args=[row.pk]))
    assert "Being checked" in _text(page)
    assert "http-equiv" in page.content.decode()


def test_a_failed_image_says_the_code_and_shows_no_verdict(alice, browser, model_version):
    row = detection_row(alice, model_version, status="failed", failure_code="truncated")
    text = _text(browser.get(reverse("detection", args=[row.pk])))
    assert "breaks off" in text
    assert "truncated" in text
    assert "Likely" not in text


def test_a_failure_that_may_pass_can_be_tried_again(alice, browser, model_version, rung):
    row = detection_row(
        alice, model_version, status="failed", failure_code="decoder_timeout", attempt=3
    )
    assert "Try again" in _text(browser.get(reverse("detection", args=[row.pk])))
    response = browser.post(reverse("detection_retry", args=[row.pk]))
    assert response.url == reverse("detection", args=[row.pk])
    assert Detection.objects.get().status == "queued"


# --- several files


def test_of_several_files_each_gets_its_own_answer(browser, model_version):
    files = [_file(name="good.jpg"), _file(images.text_bytes(), "bad.jpg"), _file(b"", "empty.jpg")]
    response = browser.post("/", {"image": files})
    text = _text(response)
    assert response.status_code in {400, 415}
    assert "good.jpg" in text
    assert "not a photograph this desk can read" in text
    assert "has no bytes" in text
    assert Submission.objects.get().file_name == "good.jpg"


def test_several_good_files_are_all_listed(browser, model_version):
    files = [_file(images.jpeg_bytes(seed=n), f"{n}.jpg") for n in range(3)]
    response = browser.post("/", {"image": files})
    assert response.status_code == 200
    for row in Detection.objects.all():
        assert reverse("detection", args=[row.pk]) in response.content.decode()


@pytest.mark.parametrize("name", ["harbour", "portrait", "stamp"])
def test_a_sample_can_be_judged(browser, red_model, name):
    response = browser.post(reverse("submit_sample", args=[name]))
    row = Detection.objects.get()
    assert response.url == reverse("detection", args=[row.pk])
    run_detection(str(row.pk))
    row.refresh_from_db()
    assert row.status == "done"


@pytest.mark.parametrize("name", ["nothing", "settings"])
def test_an_unknown_sample_is_404(browser, model_version, name):
    assert browser.post(reverse("submit_sample", args=[name])).status_code == 404


def test_a_sample_without_a_model_says_so(browser):
    response = browser.post(reverse("submit_sample", args=["harbour"]))
    assert response.status_code == 503
    assert "No model is active" in _text(response)


# --- nothing hostile gets through


@pytest.mark.parametrize("name", images.HOSTILE_NAMES)
def test_a_hostile_name_is_escaped_wherever_it_stands(alice, browser, model_version, name):
    row = submitted(alice, name=name).detection
    for url in (reverse("history"), reverse("detection", args=[row.pk])):
        html = browser.get(url).content.decode()
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert not re.search(r"[\x00\x1b\u202a-\u202e]", html)


def test_a_hostile_name_of_a_refused_file_is_escaped(browser, model_version):
    response = browser.post("/", {"image": _file(b"x", "<script>alert(1)</script>.jpg")})
    assert response.status_code == 415
    assert "<script>alert" not in response.content.decode()


def test_hostile_metadata_is_escaped(browser, model_version, fake_judgement):
    url = browser.post("/", {"image": _file(images.injecting_jpeg())}).url
    run_detection(str(Detection.objects.get().pk))
    html = browser.get(url).content.decode()
    assert "alert(&#x27;exif&#x27;)" in html
    assert "<script>alert" not in html
    assert "<b>comment" not in html


@pytest.mark.parametrize("name", images.HOSTILE_NAMES)
def test_a_hostile_name_is_one_log_line(browser, model_version, capsys, name):
    browser.post("/", {"image": _file(name=name.replace("\x00", "") or "x")})
    browser.get("/history\r\nforged: line")
    lines = capsys.readouterr().err.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d ", line) for line in lines)


def test_no_page_has_inline_script_or_style(alice, browser, model_version):
    row = done_row(alice, model_version)
    for url in ("/", reverse("history"), reverse("detection", args=[row.pk])):
        response = browser.get(url)
        inline = r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+="
        assert not re.search(inline, response.content.decode())
        policy = response["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_a_private_page_is_not_kept_by_caches(row, browser):
    for url in ("/", reverse("history"), reverse("detection", args=[row.pk])):
        assert "no-store" in browser.get(url)["Cache-Control"]


# --- history


def test_the_history_is_newest_first_and_in_pages(alice, browser, model_version):
    rows = [done_row(alice, model_version) for _ in range(30)][::-1]
    first = browser.get(reverse("history")).content.decode()
    cursor = re.search(r"cursor=([\w=%-]+)", first)[1]
    second = browser.get(f"{reverse('history')}?cursor={cursor}").content.decode()
    found = [re.findall(r'href="/detections/([0-9a-f-]{36})"', page) for page in (first, second)]
    assert found == [[str(row.pk) for row in rows[:24]], [str(row.pk) for row in rows[24:]]]


@pytest.mark.parametrize(
    ("verdict", "count"),
    [("", 3), ("likely_authentic", 1), ("likely_manipulated", 0), ("failed", 1), ("nonsense", 3)],
)
def test_the_history_can_be_filtered(alice, browser, model_version, verdict, count):
    done_row(alice, model_version)
    detection_row(alice, model_version)
    detection_row(alice, model_version, status="failed", failure_code="corrupt")
    page = browser.get(reverse("history"), {"verdict": verdict}).content.decode()
    assert page.count('class="entry tone-') == count


def test_a_moderator_chooses_whose(alice, carol, client_of, model_version):
    row = done_row(alice, model_version)
    browser = client_of(carol)
    assert str(row.pk) not in browser.get(reverse("history")).content.decode()
    assert str(row.pk) in browser.get(reverse("history"), {"whose": "all"}).content.decode()


def test_a_long_history_costs_no_more_queries(
    alice, browser, model_version, django_assert_max_num_queries
):
    for _ in range(20):
        done_row(alice, model_version)
    with django_assert_max_num_queries(16 + queries_of_a_limit()):
        browser.get(reverse("history"))


@pytest.mark.parametrize(
    "field",
    [
        *("q", "verdict", "whose", "person", "since", "until", "model"),
        *("tag", "case", "confidential", "via", "order", "cursor"),
    ],
)
@pytest.mark.parametrize("value", ["\x00", "<script>alert(1)</script>", "é" * 300, "'", "%"])
def test_a_hostile_query_is_no_error_of_ours(browser, model_version, field, value):
    response = browser.get(reverse("history"), {field: value})
    assert response.status_code == 200
    assert "<script>alert" not in response.content.decode()


def test_a_journalists_history_holds_nothing_of_others(alice, bob, client_of, model_version):
    mine, others = done_row(alice, model_version), done_row(bob, model_version)
    page = client_of(alice).get(reverse("history"), {"whose": "all"}).content.decode()
    assert str(mine.pk) in page
    assert str(others.pk) not in page


def test_confidential_can_be_asked_for(browser, model_version):
    browser.post("/", {"image": _file(), "is_confidential": "true"})
    assert Detection.objects.get().image.is_confidential


def test_the_page_tells_scripts_when_to_stop_asking(alice, browser, model_version):
    states = {}
    for row in (detection_row(alice, model_version), done_row(alice, model_version)):
        card = browser.get(reverse("detection_card", args=[row.pk])).content.decode()
        states[row.status] = re.search(r'data-finished="(\w+)"', card)[1]
    assert states == {"queued": "no", "done": "yes"}


def test_a_second_verdict_says_that_it_is_one(alice, browser, model_version):
    first = done_row(alice, model_version)
    newer = ModelVersion.objects.create(name="fake", version="2", artifact_sha256="e" * 64)
    done_row(alice, newer, image=first.image, judged_before=first)
    html = browser.get(reverse("history")).content.decode()
    assert html.count("Judged again; the earlier verdict stays") == 1
