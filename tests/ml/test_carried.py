"""ml.decoder.carried: what a file says about itself beside its pixels, out of hostile bytes."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ml.decoder import CredentialReader, Decoded, Decoder, DecoderLimits
from ml.errors import DecoderUnavailable, UnreadableImage
from tests import content_credentials, images, statements

MOST_CHARACTERS = 128_000
Facts = dict[str, Any]


@pytest.fixture(scope="module")
def reader() -> Iterator[CredentialReader]:
    with CredentialReader() as shared:
        yield shared


@pytest.fixture
def kept(tmp_path: Path) -> Callable[[bytes], Path]:
    def in_file(data: bytes) -> Path:
        path = tmp_path / "image"
        path.write_bytes(data)
        return path

    return in_file


@pytest.fixture
def decoded(decoder: Decoder, kept: Callable[[bytes], Path]) -> Callable[[bytes], Decoded]:
    return lambda data: decoder.decode(kept(data))


@pytest.fixture
def file_of(decoded: Callable[[bytes], Decoded]) -> Callable[[bytes], Facts]:
    return lambda data: decoded(data).facts.file


def _end(reading: Callable[[], str]) -> str:
    """What it gives, or the code of its failure."""
    try:
        return reading()
    except UnreadableImage as error:
        return error.code


# --- XMP


def test_xmp_is_read_from_attributes_elements_and_lists(file_of):
    body = (
        "<dc:creator><rdf:Seq><rdf:li>Ann</rdf:li><rdf:li>Bo</rdf:li></rdf:Seq></dc:creator>"
        "<photoshop:Credit>An agency</photoshop:Credit>"
        '<Iptc4xmpExt:DigitalSourceType rdf:resource="http://x/trainedAlgorithmicMedia"/>'
    )
    packet = statements.xmp_packet(body, attributes='xmp:CreatorTool="Editor 9"')
    assert file_of(statements.xmp_jpeg(packet))["xmp"] == {
        "xmp:CreatorTool": "Editor 9",
        "dc:creator": "Ann; Bo",
        "photoshop:Credit": "An agency",
        "Iptc4xmpExt:DigitalSourceType": "http://x/trainedAlgorithmicMedia",
    }


def test_the_steps_of_an_editing_history_are_kept_in_order(file_of):
    steps = (
        '<rdf:li stEvt:action="created" stEvt:when="2024-01-01"/>'
        '<rdf:li rdf:parseType="Resource"><stEvt:action>saved</stEvt:action>'
        "<stEvt:softwareAgent>Editor</stEvt:softwareAgent></rdf:li>"
    )
    body = f"<xmpMM:History><rdf:Seq>{steps}</rdf:Seq></xmpMM:History>"
    assert file_of(statements.xmp_jpeg(statements.xmp_packet(body)))["xmp_history"] == [
        {"action": "created", "when": "2024-01-01"},
        {"action": "saved", "softwareAgent": "Editor"},
    ]


@pytest.mark.parametrize("name", ["PNG", "WEBP", "AVIF", "HEIF"])
def test_xmp_is_read_from_every_format(file_of, name):
    packet = statements.xmp_packet(attributes='xmp:CreatorTool="Editor 9"')
    if name == "PNG":
        data = statements.png_with_text(**{"XML:com.adobe.xmp": packet.decode()})
    else:
        data = images.encode(images.photo_like(), name, xmp=packet)
    assert file_of(data)["xmp"] == {"xmp:CreatorTool": "Editor 9"}


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
FILE_ENTITY = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("before", [BOMB, FILE_ENTITY, "<!DOCTYPE x>"])
def test_a_packet_with_entities_is_refused_and_said(file_of, before):
    packet = statements.xmp_packet("<dc:title>t</dc:title>", before=before)
    assert file_of(statements.xmp_jpeg(packet))["xmp_problem"] == "entities"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<dc:title>" * 60 + "</dc:title>" * 60, "too_large"),
        ("<dc:title/>" * 5_000, None),
        ("<dc:title>broken", "damaged"),
        ("\udcff", "damaged"),
    ],
)
def test_a_hostile_packet_is_bounded(file_of, body, problem):
    packet = statements.xmp_packet("").replace(
        b"</rdf:Description>", body.encode("utf-8", "surrogateescape") + b"</rdf:Description>"
    )
    assert file_of(statements.xmp_jpeg(packet)).get("xmp_problem") == problem


def test_a_packet_of_many_elements_is_not_read_to_its_end(file_of):
    packet = statements.xmp_packet("<dc:title/>" * 30_000).decode()
    data = statements.png_with_text(**{"XML:com.adobe.xmp": packet})
    assert file_of(data)["xmp_problem"] == "too_large"


def test_text_that_turns_its_direction_loses_the_turn(file_of):
    packet = statements.xmp_packet(attributes='xmp:CreatorTool="photo&#x202e;gpj.exe&#x2066;"')
    assert file_of(statements.xmp_jpeg(packet))["xmp"]["xmp:CreatorTool"] == "photogpj.exe"


# --- IPTC


def test_iptc_is_read_with_its_repeated_datasets(file_of):
    block = statements.iptc_block({80: "Zoë", 116: "© me", 55: "20240506"})
    block += statements.iptc_block({25: "one"}) + statements.iptc_block({25: "two"})
    assert file_of(statements.iptc_jpeg(block))["iptc"] == {
        "Byline": "Zoë",
        "CopyrightNotice": "© me",
        "DateCreated": "20240506",
        "Keywords": "one; two",
    }


@pytest.mark.parametrize("tail", [b"\x1c\x02\x50\x00\xff", b"\x1c\x02\x50\x80\x04", b"nonsense"])
def test_iptc_that_breaks_off_is_damaged_and_the_rest_is_kept(file_of, tail):
    found = file_of(statements.iptc_jpeg(statements.iptc_block({80: "Ann"}) + tail))
    assert (found["iptc"], found["iptc_damaged"]) == ({"Byline": "Ann"}, True)


# --- EXIF and text chunks


def test_ten_thousand_entries_of_exif_are_read_and_few_kept(decoded):
    facts = decoded(statements.exif_of_many_entries()).facts
    assert len(json.dumps(facts.metadata)) < 1000


def test_a_prompt_in_a_user_comment_is_kept_with_its_end(decoded):
    exif = Image.Exif()
    prompt = "a castle, " * 400 + "Steps: 20, Sampler: Euler a"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + prompt.encode("utf-16-be")
    data = images.encode(images.photo_like(), "JPEG", exif=exif.tobytes())
    comment = decoded(data).facts.metadata["exif"]["UserComment"]
    assert comment.startswith("a castle")
    assert comment.endswith("Sampler: Euler a")
    assert len(comment) <= 2000


def test_the_satellites_time_is_kept(decoded):
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({29: "2024:05:06", 7: (7.0, 8.0, 9.0)})
    data = images.encode(images.photo_like(), "JPEG", exif=exif.tobytes())
    assert decoded(data).facts.metadata["exif"]["GPSDateTime"] == "2024:05:06 07:08:09"


# --- thumbnail


def test_a_thumbnail_of_the_same_picture_does_not_differ(file_of):
    found = file_of(statements.thumbnail_jpeg(images.photo_like()))["thumbnail"]
    assert (found["width"], found["height"], found["differs"]) == (160, 120, "")


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_thumbnail_may_be_stored_turned_or_upright(file_of, orientation):
    data = statements.thumbnail_jpeg(images.photo_like(), orientation=orientation)
    assert file_of(data)["thumbnail"]["differs"] == ""


def test_black_bars_are_no_difference(file_of):
    picture = images.photo_like(480, 320)
    data = statements.thumbnail_jpeg(picture, statements.letterboxed(picture))
    assert file_of(data)["thumbnail"]["differs"] == ""


def test_a_thumbnail_of_another_picture_is_found(file_of):
    other = images.photo_like(160, 120, seed=9)
    found = file_of(statements.thumbnail_jpeg(images.photo_like(), other))["thumbnail"]
    assert found["differs"] == "picture"


def test_a_thumbnail_of_another_shape_is_found(file_of):
    whole = images.photo_like(320, 240)
    cropped = whole.crop((0, 0, 150, 240))
    found = file_of(statements.thumbnail_jpeg(cropped, whole.resize((160, 120))))["thumbnail"]
    assert found["differs"] == "shape"


def test_the_thumbnail_itself_comes_upright_and_without_metadata(decoder, kept):
    data = statements.thumbnail_jpeg(images.photo_like(), orientation=6)
    assert decoder.thumbnail(kept(data)).pixels.shape == (160, 120, 3)


def test_a_file_without_a_thumbnail_says_so(decoder, kept):
    with pytest.raises(UnreadableImage) as failure:
        decoder.thumbnail(kept(images.gps_jpeg()))
    assert failure.value.detail == "the file embeds no thumbnail"


@pytest.mark.parametrize("small", [b"\xff\xd8\xff broken", b"GIF89a", b"\xff\xd8" * 40])
def test_a_broken_thumbnail_costs_no_picture(decoded, small):
    data = images.encode(images.photo_like(), "JPEG", exif=statements.exif_with_thumbnail(small))
    found = decoded(data)
    assert found.pixels.shape == (240, 320, 3)
    assert "thumbnail" not in found.facts.file


# --- the rest


@pytest.mark.parametrize("quality", [10, 50, 75, 88, 95])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(file_of, quality):
    found = file_of(images.jpeg_bytes(quality=quality))["jpeg"]
    assert found == {"quality": quality, "tables": "standard"}


def test_other_tables_are_other(file_of):
    data = images.encode(images.photo_like(), "JPEG", qtables=[[7] * 64, [9] * 64])
    assert file_of(data)["jpeg"]["tables"] == "other"


def test_the_profile_has_a_name(file_of):
    assert "sRGB" in file_of(images.icc_jpeg())["icc_name"]


@pytest.mark.parametrize(
    ("tail", "kind"),
    [
        (b"PK\x03\x04 and more", "zip"),
        (images.jpeg_bytes(16, 16), "jpeg"),
        (images.mp4_bytes(), "video"),
        (b"\0" * 9, "zeros"),
        (b"<html>", "markup"),
        (b"secret", "other"),
    ],
)
def test_it_says_what_follows_the_end(file_of, tail, kind):
    assert file_of(images.with_trailing(images.png_bytes(), tail))["trailing_kind"] == kind


def test_what_is_kept_is_bounded(decoded):
    facts = decoded(statements.full_of_everything()).facts
    assert len(json.dumps([facts.metadata, facts.file], ensure_ascii=False)) < MOST_CHARACTERS


@pytest.mark.parametrize("seed", range(30))
def test_damage_anywhere_ends_in_facts_or_a_code(decoded, seed):
    data = images.bit_flipped(statements.full_of_everything(), 40, seed, 4)
    ends = {"corrupt", "truncated", "unsupported_format", "too_many_pixels", "read"}
    assert _end(lambda: decoded(data) and "read") in ends


# --- content credentials

SIGNED = {
    "image/jpeg": images.jpeg_bytes,
    "image/png": images.png_bytes,
    "image/webp": images.webp_bytes,
    "image/gif": images.gif_bytes,
    "image/heic": images.heic_bytes,
    "image/avif": images.avif_bytes,
}


@pytest.mark.parametrize("media_type", SIGNED)
def test_credentials_are_found_and_read_in_every_format(reader, file_of, kept, media_type):
    plain = SIGNED[media_type]()
    assert "has_credentials" not in file_of(plain)
    data = content_credentials.signed(plain, media_type)
    assert file_of(data)["has_credentials"] is True
    found = reader.read(kept(data))
    assert found["state"] == "valid"
    assert found["signer"] == content_credentials.SIGNER
    assert found["generator"] == "Test Maker 1.0"
    assert found["source_types"] == ["trainedAlgorithmicMedia"]
    assert found["actions"][0] == {
        "action": "c2pa.created",
        "agent": "<b>Imaginer</b> 2",
        "source_type": "trainedAlgorithmicMedia",
    }


def test_a_signer_is_known_by_its_anchors_alone(reader, kept):
    path = kept(content_credentials.signed(images.jpeg_bytes()))
    root = content_credentials.authority().root.decode()
    assert reader.read(path, anchors=root)["state"] == "trusted"
    assert reader.read(path, anchors="no certificate")["state"] in ("valid", "unreadable")


def test_tampered_content_is_invalid_and_says_what_failed(reader, kept):
    data = content_credentials.tampered(content_credentials.signed(images.jpeg_bytes()))
    found = reader.read(kept(data))
    assert (found["state"], found["failures"]) == ("invalid", ["assertion.dataHash.mismatch"])


@pytest.mark.slow
def test_a_certificate_that_ran_out_is_said(reader, kept):
    short = content_credentials.authority(timedelta(seconds=3))
    path = kept(content_credentials.signed(images.jpeg_bytes(), by=short))
    time.sleep(4)
    found = reader.read(path)
    assert found["state"] == "invalid"
    assert "signingCredential.expired" in found["failures"]


def test_a_file_without_credentials_has_none(reader, kept):
    assert reader.read(kept(images.jpeg_bytes())) == {"state": "none"}


@pytest.mark.parametrize("seed", range(12))
def test_damaged_credentials_end_in_a_state_or_a_code(reader, kept, seed):
    data = content_credentials.signed(images.heic_bytes(), "image/heic")
    path = kept(images.bit_flipped(data, 30, seed, 600))
    states, codes = {"none", "valid", "invalid", "unreadable"}, {"decoder_crashed", "corrupt"}
    assert _end(lambda: reader.read(path)["state"]) in states | codes


def test_a_reader_that_does_not_start_is_said(kept):
    with (
        CredentialReader(DecoderLimits(), module="tests.no_such_module") as broken,
        pytest.raises(DecoderUnavailable),
    ):
        broken.read(kept(images.jpeg_bytes()))
