"""The section "What the file says", its marks beside the verdict, and the API's `file`."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image as Picture

from accounts.models import User
from detection import detector, previews
from detection.models import Detection, Image
from detection.services import cases
from detection.tasks import run_detection
from ml.errors import DecoderUnavailable
from tests import content_credentials, images, statements

Judged = Callable[..., Detection]


@pytest.fixture
def judged(
    alice: User, client_of: Callable[[User], Client], model_version: Any, fake_judgement: Any
) -> Judged:
    """One file of alice's, submitted and judged."""

    def send(data: bytes, name: str = "photo.jpg") -> Detection:
        client = client_of(alice)
        client.post(reverse("verify"), {"image": SimpleUploadedFile(name, data, "image/jpeg")})
        row = Detection.objects.latest("created_at")
        run_detection(str(row.pk))
        row.refresh_from_db()
        return row

    return send


@pytest.fixture
def page(alice: User, client_of: Callable[[User], Client]) -> Callable[[Detection], str]:
    def of(row: Detection) -> str:
        return client_of(alice).get(reverse("detection", args=[row.pk])).content.decode()

    return of


@pytest.fixture
def answer(alice: User, client_of: Callable[[User], Client]) -> Callable[[Detection], Any]:
    def of(row: Detection) -> Any:
        return client_of(alice).get(reverse("api_detection", args=[row.pk])).json()["file"]

    return of


def test_a_mark_is_loud_above_the_section_and_beside_the_verdict(judged, page, answer):
    row = judged(images.png_with_prompt(), "a.png")
    html = page(row)
    assert html.count('class="file-marks"') == 2
    assert "The file itself says it was generated: Stable Diffusion WebUI" in html
    assert "changes neither the verdict nor the number" in html
    assert answer(row)["marks"][0]["program"] == "Stable Diffusion WebUI"
    assert row.verdict == Detection.Verdict.LIKELY_MANIPULATED


def test_lists_and_exports_say_it_beside_the_verdict(judged, alice, client_of):
    row, silent = judged(images.png_with_prompt(), "a.png"), judged(images.jpeg_bytes())
    case = cases.create(by=alice, title="Flood")
    cases.add_images(by=alice, case=case, images=[row.image])
    browser, flag = client_of(alice), "The file says it was generated"
    assert browser.get(reverse("history")).content.decode().count(flag) == 1
    assert flag in browser.get(reverse("case", args=[case.pk])).content.decode()
    assert flag in browser.get(reverse("detection_card", args=[row.pk])).content.decode()
    assert flag not in browser.get(reverse("detection_card", args=[silent.pk])).content.decode()
    sent = browser.post(reverse("history_export"), {"format": "json"}).streaming_content
    rows = json.loads(b"".join(sent))["rows"]
    said = {one["id"]: one["file_says"] for one in rows}
    assert said == {str(row.pk): "generated", str(silent.pk): ""}


def test_a_silent_file_is_not_held_against_it(judged, page, answer):
    row = judged(images.jpeg_bytes())
    html = page(row)
    assert "That counts neither for nor against the picture." in html
    assert "Most files have none" in html
    assert "file-marks" not in html
    assert answer(row)["credentials"]["state"] == "none"


def test_the_place_is_a_dot_on_a_map_and_numbers(judged, page, answer):
    row = judged(images.gps_jpeg())
    html = page(row)
    assert 'cx="182.29" cy="41.14"' in html
    assert "48.858333, 2.294444" in html
    assert answer(row)["position"] == {"latitude": 48.858333, "longitude": 2.294444}


def test_strangers_see_nothing_of_a_file(judged, bob, client_of):
    row = judged(images.gps_jpeg())
    for name, pk in (("detection", row.pk), ("image_thumbnail", row.image_id)):
        assert client_of(bob).get(reverse(name, args=[pk])).status_code == 404


def test_it_says_that_the_name_and_the_bytes_disagree(judged, page):
    html = page(judged(images.jpeg_bytes(), "photo.PNG"))
    assert "The file&#x27;s name ends in" in html
    assert "but its content is \u2068JPEG\u2069" in html
    assert "name ends in" not in page(judged(images.jpeg_bytes(seed=1), "photo.jpeg"))


def test_dates_that_disagree_are_a_sentence(judged, page, answer):
    packet = statements.xmp_packet(attributes='photoshop:DateCreated="2019-01-02T10:00:00"')
    exif = Picture.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    picture = images.encode(images.photo_like(), "JPEG", exif=exif.tobytes())
    xmp = statements.segment(0xE1, statements.XMP_HEAD + packet)
    row = judged(statements.jpeg_with(xmp, picture=picture))
    html = page(row)
    assert "The dates disagree: Jan. 2, 2019 (XMP: Taken) against May 6, 2024 (EXIF: Taken)" in html
    assert answer(row)["dates_disagree"] is True


def test_hostile_text_stays_text(judged, page):
    body = "<dc:creator>&lt;script&gt;alert(1)&lt;/script&gt;</dc:creator>"
    packet = statements.xmp_packet(body, attributes='xmp:CreatorTool="evil&#x202e;loof"')
    html = page(judged(statements.xmp_jpeg(packet)))
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert "evilloof" in html


def test_an_xml_bomb_is_a_finding(judged, page):
    packet = statements.xmp_packet(before='<!DOCTYPE x [<!ENTITY a "b">]>')
    html = page(judged(statements.xmp_jpeg(packet)))
    assert "declares entities" in html


# --- the thumbnail


@pytest.fixture
def replaced(judged: Judged) -> Detection:
    """Its thumbnail shows another picture."""
    small = images.photo_like(160, 120, seed=9)
    return judged(statements.thumbnail_jpeg(images.photo_like(), small))


def test_a_thumbnail_that_differs_is_said_and_shown(replaced, page, answer):
    html = page(replaced)
    assert "shows something else than the picture" in html
    assert reverse("image_thumbnail", args=[replaced.image_id]) in html
    assert answer(replaced)["thumbnail"]["differs"] == "picture"


def test_the_thumbnail_is_pixels_and_nothing_else(replaced, alice, client_of):
    response = client_of(alice).get(reverse("image_thumbnail", args=[replaced.image_id]))
    assert response["Content-Type"] == "image/png"
    assert "sandbox" in response["Content-Security-Policy"]
    with Picture.open(io.BytesIO(response.content), formats=["PNG"]) as picture:
        assert (picture.size, picture.info, dict(picture.getexif())) == ((160, 120), {}, {})


def test_a_file_without_thumbnail_has_none_to_show(judged, alice, client_of):
    row = judged(images.gps_jpeg())
    address = reverse("image_thumbnail", args=[row.image_id])
    assert client_of(alice).get(address).status_code == 404


def test_derived_files_carry_nothing_of_the_original(replaced, judged, alice, client_of):
    row = judged(images.gps_jpeg())
    addresses = [
        *(reverse("image_preview", args=[row.image_id, side]) for side in previews.PREVIEW_SIDES),
        reverse("detection_heatmap", args=[row.pk]),
        reverse("image_thumbnail", args=[replaced.image_id]),
    ]
    for address in addresses:
        response = client_of(alice).get(address)
        content = b"".join(response) if response.streaming else response.content
        assert content
        assert not [mark for mark in (b"SERIAL", b"Exif", b"GPS", b"2024:05") if mark in content]


# --- content credentials


def test_credentials_are_read_with_the_verdict(judged, page, answer):
    row = judged(content_credentials.signed(images.jpeg_bytes()))
    html = page(row)
    assert "valid, from a signer this desk does not know" in html
    assert content_credentials.SIGNER in html
    assert "&lt;b&gt;Imaginer&lt;/b&gt; 2" in html
    assert "The file itself says it was generated" in html
    found = answer(row)["credentials"]
    assert (found["state"], found["signer"]) == ("valid", content_credentials.SIGNER)


def test_a_known_signer_is_said_to_be_known(judged, page, settings):
    settings.C2PA_ANCHORS = content_credentials.authority().root.decode()
    html = page(judged(content_credentials.signed(images.jpeg_bytes())))
    assert "whose certificate this desk knows" in html


def test_tampered_credentials_say_what_failed(judged, page):
    data = content_credentials.tampered(content_credentials.signed(images.jpeg_bytes()))
    html = page(judged(data))
    assert "they do not hold" in html
    assert "The picture was changed after it was signed." in html


def test_a_reader_that_fails_costs_no_verdict(judged, page, monkeypatch):
    class Broken:
        def read(self, *_: object, **__: object) -> dict[str, Any]:
            raise detector.UnreadableImage("decoder_crashed", "it ended")

    monkeypatch.setattr(detector, "_credential_reader", Broken)
    row = judged(content_credentials.signed(images.jpeg_bytes()))
    assert row.status == Detection.Status.DONE
    assert "could not be read" in page(row)


def test_credentials_kept_elsewhere_are_not_fetched(judged, page):
    packet = statements.xmp_packet(attributes='dcterms:provenance="https://example.org/m.c2pa"')
    html = page(judged(statements.xmp_jpeg(packet)))
    assert "This desk fetches nothing from there" in html


# --- judged by an older desk


def test_old_facts_are_read_anew_once(judged, page, monkeypatch):
    row = judged(images.gps_jpeg())
    old = {name: value for name, value in row.image.facts.items() if name != "file"}
    Image.objects.update(facts=old)
    assert "SERIAL-1234" in page(row)
    assert Image.objects.get().facts["file"]["read"] == 1
    monkeypatch.setattr(detector, "decode", lambda _: pytest.fail("read twice"))
    page(row)


def test_what_cannot_be_decoded_any_more_is_tried_once(judged, page, monkeypatch):
    row = judged(images.gps_jpeg())
    Image.objects.update(facts={"format": "JPEG", "metadata": row.image.facts["metadata"]})
    tries = []

    def broken(image: Image) -> None:
        tries.append(image.pk)
        raise detector.UnreadableImage("corrupt", "it ended")

    monkeypatch.setattr(detector, "decode", broken)
    assert "SERIAL-1234" in page(row)
    cache.clear()
    assert "SERIAL-1234" in page(row)
    assert len(tries) == 1


def test_a_decoder_that_is_away_is_not_asked_at_each_view(judged, page, monkeypatch):
    row = judged(images.gps_jpeg())
    Image.objects.update(facts={"format": "JPEG"})
    tries = []

    def away(image: Image) -> None:
        tries.append(image.pk)
        raise DecoderUnavailable("decoder_not_started", "no process")

    monkeypatch.setattr(detector, "decode", away)
    page(row)
    page(row)
    assert len(tries) == 1
    cache.clear()
    page(row)
    assert len(tries) == 2


def test_the_card_that_is_polled_reads_no_file(judged, alice, client_of, monkeypatch):
    row = judged(images.gps_jpeg())
    Image.objects.update(facts={"format": "JPEG"})
    monkeypatch.setattr(detector, "decode", lambda _: pytest.fail("read for the card"))
    answer = client_of(alice).get(reverse("detection_card", args=[row.pk]))
    assert answer.status_code == 200


def test_old_facts_of_a_lost_file_still_render(judged, page, answer, monkeypatch):
    row = judged(images.gps_jpeg())
    Image.objects.update(facts={"format": "JPEG", "metadata": row.image.facts["metadata"]})

    def lost(image: Image) -> None:
        raise detector.OriginalMissing(str(image.pk))

    monkeypatch.setattr(detector, "decode", lost)
    assert "SERIAL-1234" in page(row)
    assert answer(row)["exif"]["BodySerialNumber"] == "SERIAL-1234"


def test_an_image_that_was_never_decoded_has_no_file(alice, client_of, model_version, photo):
    client_of(alice).post(reverse("verify"), {"image": photo})
    row = Detection.objects.get()
    found = client_of(alice).get(reverse("api_detection", args=[row.pk])).json()
    assert found["file"] is None
