"""Every kind of file, accepted, refused or failing, through the page and through the API."""

import functools
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import PIL.Image
import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from detection import detector, previews, storage
from detection.models import Detection, Image, Submission
from detection.tasks import run_detection
from ml.decoder import Decoder, DecoderLimits
from tests import images
from tests.factories import files_below, multipart
from tests.ml.misbehaving_decoder import commanded

API = "/api/v1/detections"
MAX_ATTEMPTS = 3
# What decoding says of a file is the same on each database.
pytestmark = [
    pytest.mark.any_database,
    pytest.mark.usefixtures("model_version", "fake_judgement"),
]


class Door:
    """One of the two ways in: sends a file, and reads what the desk says about it."""

    def __init__(self, name: str, client: Client) -> None:
        self.name = name
        self.client = client

    def send(self, data: bytes, file_name: str = "photo.jpg") -> HttpResponse:
        return self.post([("image", file_name, data)])

    def post(self, parts: list[tuple[str, str | None, bytes]]) -> HttpResponse:
        body, content_type = multipart(parts)
        return self.client.generic("POST", API if self.name == "api" else "/", body, content_type)

    def sentence(self, response: HttpResponse) -> str:
        """Why something was refused, as the person or program reads it."""
        if self.name == "api":
            assert response["Content-Type"] == "application/problem+json"
            return response.json()["detail"]
        (error,) = re.findall(r'<p class="row-error" role="alert">(.*?)</p>', _html(response))
        return error

    def is_accepted(self, response: HttpResponse) -> bool:
        return response.status_code == (202 if self.name == "api" else 302)


@pytest.fixture(params=["page", "api"])
def door(request: Any, alice: User, client_of: Callable[..., Client], key_of: Any) -> Door:
    if request.param == "page":
        return Door("page", client_of(alice))
    return Door("api", Client(headers={"Authorization": f"Bearer {key_of(alice)}"}))


@pytest.fixture
def page(alice: User, client_of: Callable[..., Client]) -> Callable[[], str]:
    """Text of the page of the one detection there is."""

    def read() -> str:
        url = reverse("detection", args=[Detection.objects.get().pk])
        return re.sub(r"\s+", " ", _html(client_of(alice).get(url)))

    return read


@functools.cache
def _built(name: str) -> bytes:
    """A drawn file by its name in `images`; some formats are slow to encode."""
    build = images.ACCEPTED.get(name) or (images.REFUSED | images.BROKEN)[name][0]
    return build()


def _html(response: HttpResponse) -> str:
    return response.content.decode()


def _judged() -> Detection:
    """The one detection there is, after a worker heard the doorbell once."""
    run_detection(str(Detection.objects.get().pk))
    return Detection.objects.get()


def _nothing_is_stored() -> bool:
    tables = (Image, Submission, Detection)
    events = AuditEvent.objects.exclude(action="api_key.used")
    stored = events.exists() or any(table.objects.exists() for table in tables)
    return not stored and not files_below(".")


# --- accepted


@pytest.mark.parametrize("name", images.ACCEPTED)
def test_it_accepts_and_judges(door, name):
    data = _built(name)
    assert door.is_accepted(door.send(data))
    assert _judged().status == "done"
    image = Image.objects.get()
    assert storage.original_path(image.pk).read_bytes() == data
    assert previews.preview(image, 320).is_file()


@pytest.mark.parametrize("name", ["apng", "animated_gif", "animated_webp", "animated_avif"])
def test_it_says_that_the_first_frame_was_judged(door, page, name):
    door.send(_built(name))
    _judged()
    assert "frame 1 of 5 was judged" in page()


def test_it_says_so_of_a_camera_file_with_two_pictures(door, page):
    door.send(images.mpo_bytes())
    _judged()
    assert "frame 1 of 2 was judged" in page()


def test_of_one_frame_it_says_nothing(door, page):
    door.send(_built("jpeg"))
    _judged()
    assert "frame 1 of" not in page()


def test_it_says_how_many_bytes_follow_the_image(door, page):
    door.send(images.with_trailing(_built("jpeg"), b"x" * 1234))
    _judged()
    assert "1,234 bytes follow the end of the image" in page()


@pytest.mark.parametrize(
    "name",
    ["rgba_png", "la_png", "keyed_rgb_png", *(n for n in images.ACCEPTED if "transparent" in n)],
)
def test_it_says_that_a_transparent_image_was_judged_on_white(door, page, name):
    door.send(_built(name))
    _judged()
    assert "judged on white" in page()


def test_an_opaque_alpha_channel_is_not_transparency(door, page):
    door.send(images.opaque_rgba_png())
    _judged()
    assert "judged on white" not in page()


@pytest.mark.parametrize("format_", ["PNG", "WEBP"])
def test_the_eight_orientations_give_the_same_pixels(door, format_):
    options = {"lossless": True} if format_ == "WEBP" else {}
    for value in range(1, 9):
        door.send(_turned(value, format_, **options))
    pixels = [detector.decode(image).pixels for image in Image.objects.all()]
    assert len(pixels) == 8
    assert all(np.array_equal(pixels[0], other) for other in pixels)


def _turned(value: int, format_: str, **options: Any) -> bytes:
    """`images.with_orientation` in a lossless format."""
    with PIL.Image.open(io.BytesIO(images.with_orientation(value, "PNG")), formats=["PNG"]) as png:
        return images.encode(png, format_, exif=png.getexif().tobytes(), **options)


def test_a_turned_photograph_is_listed_upright(door, page):
    door.send(images.with_orientation(6))
    _judged()
    assert "80 × 60" in page()


def test_the_name_does_not_decide(door):
    assert door.is_accepted(door.send(_built("png"), "clip.mp4"))


# --- refused


@pytest.mark.parametrize("name", images.REFUSED)
def test_it_refuses_with_a_sentence_and_keeps_nothing(door, name):
    code = images.REFUSED[name][1]
    response = door.send(_built(name))
    status = {"empty_file": 400, "unsupported_format": 415, "too_many_pixels": 422}[code]
    assert response.status_code == status
    assert door.sentence(response).strip().endswith((".", ")"))
    assert _nothing_is_stored()


def test_it_says_what_is_accepted(door):
    sentence = door.sentence(door.send(images.text_bytes(), "photo.jpg"))
    assert "JPEG, PNG, WebP, GIF, HEIC and AVIF" in sentence


def test_it_says_how_large_is_too_large(door):
    sentence = door.sentence(door.send(images.huge_jpeg_header()))
    assert "65535 × 65535" in sentence
    assert "64 megapixels" in sentence


@pytest.mark.parametrize(
    "parts",
    [[], [("image", "", b"")], [("image", None, b"text")]],
    ids=["nothing", "an empty choice", "text instead"],
)
def test_no_file_is_said(door, parts):
    response = door.post(parts)
    assert response.status_code == 400
    assert "No photograph was chosen" in door.sentence(response)
    assert _nothing_is_stored()


@pytest.mark.parametrize("times", [1, 5], ids=["little", "far"])
def test_over_the_limit_is_said_and_nothing_kept(door, settings, times):
    settings.MAX_UPLOAD_BYTES = 1024 * 1024
    response = door.send(b"\xff\xd8\xff" + bytes(times * settings.MAX_UPLOAD_BYTES))
    assert response.status_code == 413
    assert "larger than this desk accepts" in door.sentence(response)
    assert _nothing_is_stored()


def test_a_broken_header_is_said(door):
    response = door.send(_built("jpeg")[:10])
    assert response.status_code == 415
    assert "damaged" in door.sentence(response)
    assert _nothing_is_stored()


def test_no_model_is_said(door, model_version):
    model_version.delete()
    response = door.send(_built("jpeg"))
    assert response.status_code == 503
    assert "No model is active" in door.sentence(response)
    assert _nothing_is_stored()


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "webp", "heic", "avif"])
def test_no_beginning_of_a_file_is_an_error_of_ours(door, name):
    data = _built(name)
    for length in (1, 3, 8, 12, 16, 31, 100):
        assert door.send(data[:length]).status_code in {202, 302, 415}


# --- accepted, then failed


@pytest.mark.parametrize("name", images.BROKEN)
def test_what_cannot_be_decoded_fails_with_a_code_and_keeps_the_image(door, page, name):
    data, code = _built(name), images.BROKEN[name][1]
    assert door.is_accepted(door.send(data))
    row = _judged()
    assert (row.status, row.failure_code, row.probability) == ("failed", code, None)
    assert storage.original_path(row.image_id).read_bytes() == data
    assert "The bytes were kept." in page()
    assert AuditEvent.objects.filter(action="detection.failed", target_id=str(row.pk)).count() == 1


@pytest.fixture
def dying_decoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Puts in a decoder, with so much patience, that obeys commands hidden in the file."""
    decoders: list[Decoder] = []

    def install(wall_s: float) -> None:
        limits = DecoderLimits(wall_s=wall_s, memory_bytes=400 << 20)
        decoders.append(Decoder(limits, module="tests.ml.misbehaving_decoder"))
        monkeypatch.setattr(detector, "_decoder", lambda: decoders[-1])

    yield install
    for decoder in decoders:
        decoder.close()


@pytest.mark.parametrize(
    ("command", "wall_s", "code", "attempts"),
    [
        ("crash", 10, "decoder_crashed", MAX_ATTEMPTS),
        ("sleep", 0.3, "decoder_timeout", MAX_ATTEMPTS),
        ("memory", 10, "decoder_memory", 1),
    ],
)
def test_a_decoder_that_dies_fails_with_a_code_and_keeps_the_image(
    door, page, dying_decoder, command, wall_s, code, attempts
):
    dying_decoder(wall_s)
    data = commanded(_built("jpeg"), command)
    assert door.is_accepted(door.send(data))
    for _ in range(attempts):
        assert Detection.objects.get().status == "queued"
        row = _judged()
    assert (row.status, row.failure_code, row.attempt) == ("failed", code, attempts)
    assert storage.original_path(row.image_id).read_bytes() == data
    assert "The bytes were kept" in page()
    assert AuditEvent.objects.filter(action="detection.failed").count() == 1


def test_the_next_image_is_judged_after_one_that_killed_the_decoder(door, dying_decoder):
    dying_decoder(10)
    door.send(commanded(_built("jpeg"), "crash"))
    _judged()
    door.send(_built("png"))
    good = Detection.objects.get(image__format="PNG")
    for _ in range(2):  # the first tries the other once more, which is before it in line
        run_detection(str(good.pk))
    good.refresh_from_db()
    assert good.status == "done"


def test_the_api_says_why_it_failed(alice, key_of):
    door = Door("api", Client(headers={"Authorization": f"Bearer {key_of(alice)}"}))
    url = door.send(images.truncated(_built("jpeg")))["Location"]
    _judged()
    answer = door.client.get(url).json()
    assert answer["failure"]["code"] == "truncated"
    assert answer["failure"]["detail"].startswith("The file breaks off")
    assert (answer["verdict"], answer["probability"]) == (None, None)


# --- the same bytes, and the client's names


def test_two_identical_uploads_are_one_image_judged_once(door):
    door.send(_built("jpeg"), "one.jpg")
    door.send(_built("jpeg"), "two.jpg")
    counts = [model.objects.count() for model in (Image, Detection, Submission)]
    assert counts == [1, 1, 2]
    assert set(Submission.objects.values_list("file_name", flat=True)) == {"one.jpg", "two.jpg"}


def test_what_another_person_submitted_makes_no_difference(door, bob, client_of):
    Door("page", client_of(bob)).send(_built("jpeg"))
    run_detection(str(Detection.objects.get().pk))
    assert door.is_accepted(door.send(_built("jpeg")))
    mine = Detection.objects.get(image__owner__email="alice@example.org")
    assert mine.status == "queued"
    assert Image.objects.count() == 2


@pytest.mark.parametrize("name", [name for name in images.HOSTILE_NAMES if name.strip()])
def test_a_hostile_name_stays_text(door, page, name):
    raw = name.replace('"', "%22").replace("\r", "").replace("\n", "").replace("\x00", "")
    assert door.is_accepted(door.send(_built("jpeg"), raw))
    stored = Submission.objects.get().file_name
    assert stored.isprintable()
    assert "/" not in stored
    assert "\\" not in stored
    assert [path.name for path in files_below("originals")] == [str(Image.objects.get().pk)]
    _judged()
    html = page()
    for injected in ("<script>alert", "<img src=x", "\u202e", "\u200f"):
        assert injected not in html


@pytest.mark.parametrize("name", [" ", ".", "..", "/", "../", "a/..", "\u202e"])
def test_a_name_of_nothing_does_no_harm(door, name):
    assert door.send(_built("jpeg"), name).status_code in {202, 302, 400}
    assert set(Submission.objects.values_list("file_name", flat=True)) <= {""}


def test_a_name_that_breaks_out_of_its_header_is_no_error(door):
    response = door.send(_built("jpeg"), 'a.jpg"\r\nX-Injected: yes\r\n\r\n')
    assert response.status_code in {202, 302, 400, 415}
    assert "X-Injected" not in response
