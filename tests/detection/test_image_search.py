"""Searching with an image: matches come out, and nothing of the image goes in."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import User
from deepfake_site.rate_limits import Limit
from detection import hashing
from detection.models import Detection, Image
from detection.services import image_search
from detection.tasks import run_detection
from ml.errors import DecoderUnavailable
from tests import images
from tests.factories import files_below, multipart, submitted

pytestmark = pytest.mark.django_db
PHOTO = images.photo_like(640, 480, 7)


@pytest.fixture
def known(alice: User, model_version: Any, fake_judgement: Any) -> Detection:
    """Alice's picture, judged."""
    submission = submitted(alice, images.encode(PHOTO, "PNG"))
    run_detection(str(submission.detection_id))
    return Detection.objects.select_related("image").get()


@pytest.fixture
def search(client_of: Callable[[User], Client]) -> Callable[..., Any]:
    """One search on the page."""

    def run(user: User, data: bytes, name: str = "copy.jpg") -> Any:
        return client_of(user).post(
            reverse("image_search"), {"image": SimpleUploadedFile(name, data)}
        )

    return run


def resaved() -> bytes:
    return images.encode(PHOTO.resize((320, 240)), "JPEG", quality=60)


def rows() -> dict[str, int]:
    """How many rows each table of ours has; a window of the rate limit is none of the image."""
    models = [*apps.get_app_config("detection").get_models(include_auto_created=True)]
    models += apps.get_app_config("accounts").get_models()
    return {
        model._meta.label: model._default_manager.count()
        for model in models
        if model._meta.label != "accounts.RateWindow"
    }


@pytest.mark.parametrize("data", [resaved(), images.encode(PHOTO, "PNG")], ids=["copy", "same"])
def test_it_finds_the_picture_and_keeps_nothing(alice, known, search, data):
    before, files = rows(), files_below(".")
    answer = search(alice, data)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "This picture was here before" in page
    assert reverse("detection", args=[known.pk]) in page
    assert (rows(), files_below("."), files_below("incoming")) == (before, files, [])


def test_the_same_hash_comes_out_as_of_a_submission(known, tmp_path):
    path = tmp_path / "photo"
    path.write_bytes(images.encode(PHOTO, "PNG"))
    image = known.image
    assert hashing.hashes_of_file(path) == (image.perceptual_hash, image.mirrored_hash)


def test_a_mirrored_copy_finds_it(alice, known, search):
    turned = PHOTO.transpose(images.Image.Transpose.FLIP_LEFT_RIGHT)
    page = search(alice, images.encode(turned, "JPEG", quality=60)).content.decode()
    assert reverse("detection", args=[known.pk]) in page
    assert "mirrored" in page


def test_another_picture_finds_nothing(alice, known, search):
    page = search(alice, images.jpeg_bytes(seed=3)).content.decode()
    assert "Nothing was found" in page
    assert str(known.pk) not in page


def test_a_stranger_finds_nothing_of_it(bob, known, search):
    page = search(bob, images.encode(PHOTO, "PNG")).content.decode()
    assert "Nothing was found" in page


def test_a_moderator_finds_it_unless_it_is_confidential(carol, known, search):
    assert str(known.pk) in search(carol, resaved()).content.decode()
    Image.objects.update(is_confidential=True)
    assert "Nothing was found" in search(carol, resaved()).content.decode()


def test_a_uniform_picture_is_said_to_be_one(alice, known, search):
    flat = images.encode(images.Image.new("RGB", (320, 240), "white"), "PNG")
    assert "too uniform to be compared" in search(alice, flat).content.decode()


@pytest.mark.parametrize("kind", [*images.REFUSED, *images.BROKEN])
def test_what_cannot_be_read_is_refused_and_gone(alice, known, search, kind):
    build, _ = (images.REFUSED | images.BROKEN)[kind]
    before = rows()
    answer = search(alice, build())
    assert answer.status_code in {400, 413, 415, 422}
    assert 'role="alert"' in answer.content.decode()
    assert (rows(), files_below("incoming")) == (before, [])


@pytest.mark.parametrize("name", images.HOSTILE_NAMES)
def test_a_hostile_name_is_text(alice, known, client_of, name):
    body, content_type = multipart([("image", name, resaved())])
    answer = client_of(alice).generic(
        "POST", reverse("image_search"), body, content_type=content_type
    )
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_a_file_too_large_is_refused_and_gone(alice, known, search, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    answer = search(alice, resaved())
    assert answer.status_code == 413
    assert files_below("incoming") == []


@pytest.mark.parametrize(("count", "status"), [(0, 400), (2, 400)])
def test_it_takes_one_image(alice, client_of, count, status):
    files = [SimpleUploadedFile("a.jpg", resaved()) for _ in range(count)]
    answer = client_of(alice).post(reverse("image_search"), {"image": files})
    assert answer.status_code == status
    assert files_below("incoming") == []


def test_a_decoder_that_is_away_is_said(alice, known, search, monkeypatch):
    def away(path: Any) -> None:
        raise DecoderUnavailable("decoder_not_started")

    monkeypatch.setattr(hashing, "hashes_of_file", away)
    assert search(alice, resaved()).status_code == 503


def test_many_searches_within_a_minute_have_to_wait(alice, bob, known, search, monkeypatch):
    monkeypatch.setattr(image_search, "SEARCHES", Limit(2, per_s=60))
    assert [search(alice, resaved()).status_code for _ in range(3)] == [200, 200, 429]
    assert search(bob, resaved()).status_code == 200


def test_the_picture_itself_is_decoded_in_the_decoder_alone(alice, known, search, monkeypatch):
    opened = []
    monkeypatch.setattr("PIL.Image.open", lambda *a, **k: opened.append(a))
    assert search(alice, resaved()).status_code == 200
    assert opened == []


def test_history_and_verify_lead_to_it(alice, client_of):
    for name in ("history", "verify"):
        page = client_of(alice).get(reverse(name)).content.decode()
        assert f'href="{reverse("image_search")}"' in page


# --- the same by the API


@pytest.fixture
def api(key_of: Callable[..., str]) -> Callable[..., Client]:
    """A client with a key that may read."""

    def client(user: User, *scopes: str) -> Client:
        key = key_of(user, *(scopes or ("detections:read",)))
        return Client(headers={"Authorization": f"Bearer {key}"})

    return client


def test_the_api_answers_with_matches_and_keeps_nothing(alice, known, api):
    client = api(alice)
    before = rows()
    answer = client.post(reverse("api_similar"), {"image": SimpleUploadedFile("x", resaved())})
    said = answer.json()
    (match,) = said.pop("results")
    assert said == {"is_comparable": True, "is_complete": True}
    assert match["kind"] == "near"
    assert match["distance"] <= 4
    assert match["detection"]["id"] == str(known.pk)
    changed = {name for name, count in rows().items() if count != before[name]}
    assert not [name for name in changed if name.startswith("detection.")]
    assert files_below("incoming") == []


def test_the_api_shows_nothing_to_a_stranger(bob, known, api):
    file = SimpleUploadedFile("x", images.encode(PHOTO, "PNG"))
    assert api(bob).post(reverse("api_similar"), {"image": file}).json()["results"] == []
    address = reverse("api_detection_similar", args=[known.pk])
    assert api(bob).get(address).status_code == 404


def test_the_api_lists_what_is_like_a_detection(alice, known, api, model_version):
    copy = submitted(alice, resaved())
    run_detection(str(copy.detection_id))
    answer = api(alice).get(reverse("api_detection_similar", args=[known.pk])).json()
    assert [match["detection"]["id"] for match in answer["results"]] == [str(copy.detection_id)]


def test_a_key_that_may_only_write_may_not_search(alice, known, api):
    client = api(alice, "detections:write")
    answer = client.post(reverse("api_similar"), {"image": SimpleUploadedFile("x", resaved())})
    assert answer.status_code == 403
    assert client.get(reverse("api_detection_similar", args=[known.pk])).status_code == 403


@pytest.mark.parametrize(
    ("fields", "code"),
    [({}, "no_file"), ({"url": "https://example.org/a.jpg"}, "invalid"), ({"a": "b"}, "no_file")],
)
def test_the_api_takes_an_image_and_nothing_else(alice, api, fields, code):
    answer = api(alice).post(reverse("api_similar"), fields)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize("kind", [*images.BROKEN])
def test_the_api_refuses_what_cannot_be_decoded(alice, api, kind):
    build, _ = images.BROKEN[kind]
    answer = api(alice).post(reverse("api_similar"), {"image": SimpleUploadedFile("x", build())})
    assert answer.status_code in {400, 415, 422}
    assert files_below("incoming") == []


def test_there_are_no_rows_of_the_image_even_in_a_session(alice, known, client_of, search):
    search(alice, resaved())
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_data FROM django_session")
        assert all("copy.jpg" not in str(row) for row in cursor.fetchall())
