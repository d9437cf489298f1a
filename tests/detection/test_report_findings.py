"""What a report says of copies that were judged otherwise, and of layers that were drawn before."""

import hashlib
import json
from typing import Any

import numpy as np
import pytest
from django.utils.translation import override

from accounts.models import User
from detection import storage
from detection.models import Detection, EvidenceLayer, Image, Report
from detection.services import layers, report_links, reports
from detection.tasks import run_detection
from tests import images, pdf_text
from tests.factories import files_below, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model_version")]
AUTHENTIC = {"verdict": "likely_authentic", "probability": 0.02}


@pytest.fixture
def judge(fake_judgement: dict[str, Any]) -> Any:
    """Judges the same picture, saved in a quality of its own, for somebody."""
    fake_judgement["activation"] = np.array([[0, 1, 4], [0, 2, 1]], "<f2").tobytes()

    def run(by: User, quality: int, **result: Any) -> Detection:
        fake_judgement.update({"verdict": "likely_manipulated", "probability": 0.93} | result)
        data = images.encode(images.photo_like(seed=3), "JPEG", quality=quality)
        submission = submitted(by, data)
        run_detection(str(submission.detection_id))
        rows = Detection.objects.select_related("image__owner", "model_version")
        return rows.get(pk=submission.detection_id)

    return run


def issued(detection: Detection, by: User, **options: Any) -> tuple[Report, dict[str, Any]]:
    report = reports.issue(by=by, detection=detection, **{"language": "en", **options})
    return report, json.loads(reports.file_of(report, ".json"))["report"]


def section(content: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((one for one in content["text"]["sections"] if one["name"] == name), None)


# --- copies


def test_copies_that_disagree_are_told_right_after_the_verdict(alice, judge):
    judge(alice, 70, **AUTHENTIC)
    report, content = issued(judge(alice, 90), alice)
    assert [one["name"] for one in content["text"]["sections"][:2]] == ["verdict", "copies"]
    said = section(content, "copies")
    assert "“Likely manipulated”, “Likely authentic”" in said["paragraphs"][0]
    assert [row[-1] for row in said["table"]["rows"]] == ["Likely authentic"]
    (copy,) = content["facts"]["copies"]
    assert (copy["kind"], copy["verdict"], copy["probability"]) == (
        "near",
        "likely_authentic",
        0.02,
    )
    assert "The verdicts disagree." in " ".join(pdf_text.texts(reports.file_of(report, ".pdf")))


def test_it_names_no_other_image(alice, judge):
    other = judge(alice, 70, **AUTHENTIC)
    report, _content = issued(judge(alice, 90), alice)
    text = reports.file_of(report, ".json").decode()
    assert not [
        mark for mark in (str(other.pk), str(other.image_id), other.image.sha256) if mark in text
    ]


def test_copies_that_agree_are_no_section(alice, judge):
    judge(alice, 70)
    _report, content = issued(judge(alice, 90), alice)
    assert section(content, "copies") is None
    assert content["facts"]["copies"] == []


def test_a_copy_of_somebody_else_is_not_told_of(alice, bob, carol, judge):
    """The moderator sees it, but whoever reads the report need not know that it is there."""
    judge(bob, 70, **AUTHENTIC)
    _report, content = issued(judge(alice, 90), carol)
    assert section(content, "copies") is None


@pytest.mark.parametrize("is_both", [False, True])
def test_a_confidential_copy_is_told_of_beside_a_confidential_one_only(alice, judge, is_both):
    hidden, row = judge(alice, 70, **AUTHENTIC), judge(alice, 90)
    pks = [hidden.image_id, *([row.image_id] if is_both else [])]
    Image.objects.filter(pk__in=pks).update(is_confidential=True)
    row = Detection.objects.select_related("image__owner", "model_version").get(pk=row.pk)
    assert (section(issued(row, alice)[1], "copies") is not None) is is_both


def test_the_words_are_those_of_the_language(alice, judge):
    judge(alice, 70, **AUTHENTIC)
    _report, content = issued(judge(alice, 90), alice, language="ar")
    with override("ar"):
        label = str(Detection.Verdict.LIKELY_AUTHENTIC.label)
    assert label in section(content, "copies")["paragraphs"][0]


# --- layers


def drawn(detection: Detection, *kinds: str) -> None:
    for kind in kinds:
        layers.draw(layers.ask(image=detection.image, kind=kind).pk, worker="test:1:1")


def test_layers_drawn_before_are_shown_small_and_hashed(alice, judge):
    row = judge(alice, 90)
    drawn(row, "noise", "ela")
    report, content = issued(row, alice)
    shown = {one["name"]: one for one in content["pictures"] if one["name"].startswith("layer-")}
    assert [*shown] == ["layer-ela", "layer-noise"]
    for name, one in shown.items():
        jpeg = reports.file_of(report, f"-{name}.jpg")
        assert one["sha256"] == hashlib.sha256(jpeg).hexdigest()
        assert len(jpeg) < 100_000
    assert shown["layer-noise"]["caption"].startswith("Noise. The lighter a place")
    assert "None of them is part of the verdict" in section(content, "layers")["paragraphs"][0]
    said = " ".join(pdf_text.texts(reports.file_of(report, ".pdf")))
    assert "The lighter a place, the stronger its fine noise" in said
    pictures = [
        head
        for head, _ in pdf_text.streams(reports.file_of(report, ".pdf"))
        if b"/DCTDecode" in head
    ]
    assert len(pictures) == 4


def test_none_is_drawn_for_the_report(alice, judge):
    row = judge(alice, 90)
    layers.ask(image=row.image, kind="noise")  # waits
    drawn(row, "ela")
    lost = EvidenceLayer.objects.get(kind="ela")
    storage.layer_path(lost.image_id, lost.kind, lost.version).unlink()
    _report, content = issued(row, alice)
    assert section(content, "layers") is None
    assert [one["name"] for one in content["pictures"]] == ["preview", "marks"]


def test_a_report_without_pictures_has_no_layers(alice, judge):
    row = judge(alice, 90)
    drawn(row, "noise")
    report, content = issued(row, alice, has_pictures=False)
    assert (content["pictures"], section(content, "layers")) == ([], None)
    assert len(files_below("reports")) == 2
    assert report.has_pictures is False


@pytest.mark.parametrize("shows", [True, False])
def test_a_link_shows_them_with_the_other_pictures_or_not_at_all(alice, judge, client, shows):
    row = judge(alice, 90)
    drawn(row, "noise")
    report, _content = issued(row, alice)
    _link, token = report_links.share(by=alice, report=report, life="1", shows_pictures=shows)
    page = client.get(f"/shared/{token}").content.decode()
    assert ("Layers of evidence" in page) is shows
    assert page.count("/pictures/layer-noise") == shows
    assert client.get(f"/shared/{token}/pictures/layer-noise").status_code == (
        200 if shows else 404
    )
    assert client.get(f"/shared/{token}/pictures/layer-grid").status_code == 404
