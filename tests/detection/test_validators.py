"""What a request may bring, read from the header alone: a status, a code and a sentence."""

import time

import pytest

from detection import validators
from detection.errors import Refused
from detection.words import REFUSALS
from tests import images
from tests.factories import stored_upload

STATUS = {"empty_file": 400, "unsupported_format": 415, "too_many_pixels": 422}


@pytest.mark.parametrize("name", images.ACCEPTED)
def test_it_accepts(name):
    with stored_upload(images.ACCEPTED[name]()) as upload:
        assert validators.accept(upload).width > 0


@pytest.mark.parametrize("name", images.REFUSED)
def test_it_refuses(name):
    build, code = images.REFUSED[name]
    with stored_upload(build()) as upload, pytest.raises(Refused) as refusal:
        validators.accept(upload)
    assert (refusal.value.code, refusal.value.status) == (code, STATUS[code])


def test_it_refuses_a_header_that_breaks_off():
    with stored_upload(images.jpeg_bytes()[:10]) as upload, pytest.raises(Refused) as refusal:
        validators.accept(upload)
    assert (refusal.value.code, refusal.value.status) == ("corrupt", 415)


def test_the_name_and_the_declared_type_play_no_part():
    with stored_upload(images.png_bytes(), name="movie.mp4") as upload:
        upload.content_type = "video/mp4"
        assert validators.accept(upload).format == "PNG"


def test_too_many_pixels_are_counted_in_the_answer():
    with stored_upload(images.huge_jpeg_header()) as upload, pytest.raises(Refused) as refusal:
        validators.accept(upload)
    assert "65535 × 65535" in refusal.value.detail
    assert "64 megapixels" in refusal.value.detail


@pytest.mark.parametrize("name", ["huge_jpeg", "huge_png", "png_bomb"])
def test_a_bomb_costs_no_time(name):
    data = images.REFUSED[name][0]()
    with stored_upload(data) as upload:
        start = time.process_time()
        with pytest.raises(Refused):
            validators.accept(upload)
        assert time.process_time() - start < 0.3


def test_over_the_limit_says_the_limit(settings):
    settings.MAX_UPLOAD_BYTES = 50 * 1024 * 1024
    with stored_upload() as upload:
        upload.refusal = "too_large"
        with pytest.raises(Refused, match="50 MB") as refusal:
            validators.accept(upload)
    assert refusal.value.status == 413


def test_a_disk_that_was_full_is_507():
    with stored_upload() as upload:
        upload.refusal = "disk_full"
        with pytest.raises(Refused) as refusal:
            validators.accept(upload)
    assert refusal.value.status == 507


def test_every_refusal_is_a_status_and_a_sentence():
    for status, sentence in REFUSALS.values():
        assert status in {400, 403, 404, 409, 410, 412, 413, 415, 422, 423, 429, 460, 503, 507}
        assert str(sentence).endswith(".")
