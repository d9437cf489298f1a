"""What was here before is found among what the reader may see, and nothing of it elsewhere."""

import importlib
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.urls import reverse

from detection import likeness
from detection.models import Case, Detection, Image
from detection.services import cases, custody, erasure, seen_before
from detection.services.seen_before import Kind, find, fingerprint
from detection.tasks import run_detection
from tests import images
from tests.detection.test_likeness import HASH, flipped
from tests.factories import done_row, image_row, submitted

pytestmark = pytest.mark.django_db
MIRRORED = likeness.mirrored(HASH)
FLAT = "8000000000000000"


@pytest.fixture
def judged(model_version: Any) -> Any:
    """A detection with a verdict, of an image with this hash."""

    def make(owner: Any, value: str = HASH, **fields: Any) -> Detection:
        verdict = fields.pop("verdict", Detection.Verdict.LIKELY_AUTHENTIC)
        columns = likeness.columns(value, likeness.mirrored(value))
        image = image_row(owner, **columns, **fields)
        return done_row(owner, model_version, image=image, verdict=verdict)

    return make


def seen(user: Any, row: Detection) -> list[tuple[Any, Kind, int]]:
    found = find(user, fingerprint(row.image), beside=row)
    return [(match.detection.pk, match.kind, match.distance) for match in found.matches]


@pytest.mark.parametrize(
    ("distance", "kind"),
    [(0, Kind.NEAR), (4, Kind.NEAR), (5, Kind.POSSIBLE), (8, Kind.POSSIBLE), (9, None)],
)
def test_how_near_it_is_says_what_it_is(alice, judged, distance, kind):
    other = judged(alice, flipped(HASH, *range(3, 3 + 7 * distance, 7)))
    expected = [] if kind is None else [(other.pk, kind, distance)]
    assert seen(alice, judged(alice)) == expected


def test_the_nearest_come_first_and_the_same_file_before_them(alice, bob, carol, judged):
    far, near = judged(alice, flipped(HASH, 1, 2)), judged(alice)
    same = judged(bob, sha256=judged(carol, sha256="5" * 64).image.sha256)
    asking = Detection.objects.get(image__owner=carol)
    assert [pk for pk, *_ in seen(carol, asking)] == [same.pk, near.pk, far.pk]


def test_the_same_file_counts_though_nothing_can_be_compared(alice, carol, judged):
    rows = [judged(owner, FLAT, sha256="5" * 64) for owner in (alice, carol)]
    assert seen(carol, rows[1]) == [(rows[0].pk, Kind.EXACT, 0)]


def test_uniform_pictures_are_not_each_others_copies(alice, judged):
    for _ in range(3):
        judged(alice, FLAT)
    found = find(alice, fingerprint(judged(alice, FLAT).image))
    assert (found.is_telling, len(found.matches)) == (False, 1)  # its own file


def test_a_mirrored_copy_is_found_and_called_so(alice, judged):
    turned, asking = judged(alice, flipped(MIRRORED, 5, 9)), judged(alice, flipped(HASH, 40))
    (match,) = find(alice, fingerprint(asking.image), beside=asking).matches
    assert (match.detection.pk, match.is_mirrored, match.distance) == (turned.pk, True, 3)


def test_an_image_from_before_mirrored_hashes_finds_mirrored_copies_too(alice, judged):
    old, turned = judged(alice), judged(alice, MIRRORED)
    Image.objects.filter(pk=old.image_id).update(mirrored_hash="")
    old.refresh_from_db()
    assert seen(alice, old) == [(turned.pk, Kind.NEAR, 0)]


def test_another_verdict_on_the_same_image_was_seen_before(alice, judged, model_version):
    row = judged(alice)
    model_version.pk, model_version.artifact_sha256, model_version.state = None, "e" * 64, "retired"
    model_version.version = "0"
    model_version.save(force_insert=True)
    earlier = done_row(alice, model_version, image=row.image)
    assert seen(alice, row) == [(earlier.pk, Kind.EXACT, 0)]


def test_a_stranger_learns_nothing_of_the_same_file(alice, bob, judged):
    rows = [judged(owner, sha256="5" * 64) for owner in (alice, bob)]
    assert seen(alice, rows[0]) == seen(bob, rows[1]) == []


def test_a_moderator_sees_all_but_what_is_confidential(alice, bob, carol, judged):
    shown, hidden = judged(alice), judged(bob, is_confidential=True)
    own, asking = judged(carol, is_confidential=True), judged(carol)
    assert {pk for pk, *_ in seen(carol, asking)} == {shown.pk, own.pk}
    custody.set_confidential(by=bob, image=hidden.image, is_confidential=False)
    custody.set_confidential(by=alice, image=shown.image, is_confidential=True)
    assert {pk for pk, *_ in seen(carol, asking)} == {hidden.pk, own.pk}


def test_a_case_shows_its_images_to_its_people(alice, bob, judged):
    shared, asking = judged(alice, is_confidential=True), judged(bob)
    judged(alice)
    case = Case.objects.create(owner=alice, title="Floods")
    case.images.add(shared.image)
    assert seen(bob, asking) == []
    case.people.add(bob)
    assert seen(bob, asking) == [(shared.pk, Kind.NEAR, 0)]


def test_an_erased_image_is_gone(alice, judged):
    other, asking = judged(alice), judged(alice)
    erasure.erase_image(by=alice, image=other.image)
    assert seen(alice, asking) == []
    other.image.refresh_from_db()
    assert (other.image.mirrored_hash, other.image.band_0) == ("", None)


def test_what_is_hidden_costs_nothing_to_look_past(alice, bob, judged):
    """Of others' images no row is read: the index is asked for one's own alone."""
    asking = judged(alice)
    for _ in range(5):
        judged(bob)
    search = seen_before._Search(alice, fingerprint(asking.image))
    read = [[*search._candidates(scope)] for scope in seen_before._scopes(alice)]
    assert read == [[HASH] * 3, []]


def test_very_many_copies_are_cut_short_and_said(alice, judged, monkeypatch):
    monkeypatch.setattr(seen_before, "MOST_MATCHES", 3)
    asking = judged(alice)
    for _ in range(3):
        judged(alice)
    assert find(alice, fingerprint(asking.image), beside=asking).is_whole
    for _ in range(2):
        judged(alice)
    found = find(alice, fingerprint(asking.image), beside=asking)
    assert (len(found.matches), found.is_whole) == (3, False)


def test_so_many_candidates_are_read_and_no_more(alice, judged, monkeypatch):
    monkeypatch.setattr(seen_before, "MOST_CANDIDATES", 2)
    for _ in range(4):
        judged(alice, flipped(HASH, 0, 3))
    assert not find(alice, fingerprint(judged(alice).image)).is_whole


@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's plans")
def test_it_is_found_by_index_alone(alice, carol, judged):
    judged(alice)
    for user in (alice, carol):
        for scope in seen_before._scopes(user):
            rows = Image.objects.filter(**scope, band_1__in=[1, 2])
            plan = rows.values_list("perceptual_hash", flat=True).explain()
            assert "COVERING INDEX image_by_band_1 (band_1=? AND is_confidential=?" in plan


def test_a_resaved_and_a_cut_copy_are_found_when_they_are_judged(
    alice, client_of, model_version, fake_judgement
):
    photo = images.photo_like(640, 480, 7)
    first = submitted(alice, images.encode(photo, "PNG"))
    run_detection(str(first.detection_id))
    copy = photo.resize((320, 240)).crop((3, 2, 317, 238))
    second = submitted(alice, images.encode(copy, "JPEG", quality=60))
    run_detection(str(second.detection_id))
    page = client_of(alice).get(reverse("detection", args=[second.detection_id])).content.decode()
    assert "This picture was here before" in page
    assert reverse("detection", args=[first.detection_id]) in page
    assert reverse("image_preview", args=[first.image_id, 320]) in page


def test_the_first_frame_of_an_animation_is_what_is_compared(alice, model_version, fake_judgement):
    frames = [images.photo_like(seed=seed) for seed in (1, 2)]
    animation = images.encode(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    rows = []
    for data in (animation, *(images.encode(frame, "PNG") for frame in frames)):
        submission = submitted(alice, data)
        run_detection(str(submission.detection_id))
        rows.append(Detection.objects.select_related("image").get(pk=submission.detection_id))
    assert [pk for pk, *_ in seen(alice, rows[0])] == [rows[1].pk]


def test_the_page_warns_when_verdicts_disagree(alice, client_of, judged):
    asking = judged(alice)
    other = judged(alice, flipped(HASH, 3, 4), verdict=Detection.Verdict.LIKELY_AUTHENTIC)
    address = reverse("detection", args=[asking.pk])
    assert "verdicts disagree" not in client_of(alice).get(address).content.decode()
    judged(alice, flipped(HASH, 5, 9), verdict=Detection.Verdict.LIKELY_MANIPULATED)
    page = client_of(alice).get(address).content.decode()
    assert "The verdicts disagree." in page
    assert "“Likely authentic”, “Likely manipulated”" in page
    assert reverse("detection", args=[other.pk]) in page


def test_the_page_says_whether_it_came_earlier_or_later(alice, client_of, judged):
    first, second = judged(alice), judged(alice)
    pages = [
        client_of(alice).get(reverse("detection", args=[row.pk])).content.decode()
        for row in (first, second)
    ]
    assert "This picture came again later" in pages[0]
    assert "This picture was here before" in pages[1]


def test_a_similar_picture_is_no_copy_and_its_verdict_no_disagreement(alice, client_of, judged):
    asking = judged(alice)
    judged(alice, flipped(HASH, *range(6)), verdict=Detection.Verdict.LIKELY_MANIPULATED)
    page = client_of(alice).get(reverse("detection", args=[asking.pk])).content.decode()
    assert "A similar picture was here before" in page
    assert "verdicts disagree" not in page


def test_the_page_says_who_submitted_it_to_whom_may_know(alice, carol, client_of, judged):
    asking, other = judged(carol), judged(alice)
    page = client_of(carol).get(reverse("detection", args=[asking.pk])).content.decode()
    assert f"<bdi>{alice}</bdi>" in page
    page = client_of(alice).get(reverse("detection", args=[other.pk])).content.decode()
    assert "Seen before? No" in page
    assert str(carol) not in page


def test_no_page_asks_once_a_match(alice, client_of, judged, django_assert_max_num_queries):
    asking = judged(alice)
    for _ in range(12):
        judged(alice)
    with django_assert_max_num_queries(12):
        found = find(alice, fingerprint(asking.image), beside=asking)
        seen_before_words = importlib.import_module("detection.sightings").seen_before
        assert len(seen_before_words(found, reader=alice, beside=asking).sightings) == 12


def test_hashes_of_earlier_images_are_cut_into_bands(alice, judged):
    migration = importlib.import_module("detection.migrations.0007_similar")
    told, flat, unjudged = judged(alice).image, judged(alice, FLAT).image, image_row(alice)
    Image.objects.update(band_0=None, band_1=None, band_2=None)
    migration.CHUNK = 2
    with connection.schema_editor() if connection.vendor == "postgresql" else _Editor() as editor:
        migration.fill_bands(apps, editor)
    bands = ("band_0", "band_1", "band_2")
    assert Image.objects.values_list(*bands).get(pk=told.pk) == likeness.bands(HASH)
    for image in (flat, unjudged):
        assert Image.objects.values_list(*bands).get(pk=image.pk) == (None, None, None)


class _Editor:
    """SQLite's own refuses to begin within the transaction of a test."""

    def __enter__(self) -> "_Editor":
        self.connection = connection
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("reasons", [[], ["unstable"]])
def test_lists_withhold_a_number_that_a_reason_outweighs(
    alice, judged, model_version, client_of, reasons
):
    beside = judged(alice)
    image = image_row(alice, **likeness.columns(HASH, likeness.mirrored(HASH)))
    said = {"verdict": Detection.Verdict.INCONCLUSIVE, "probability": 0.008, "reasons": reasons}
    row = done_row(alice, model_version, image=image, **said)
    case = cases.create(by=alice, title="Flood")
    cases.add_images(by=alice, case=case, images=[row.image])
    for path in (
        reverse("history"),
        reverse("case", args=[case.pk]),
        reverse("case_report", args=[case.pk]),
        reverse("detection", args=[beside.pk]),
    ):
        page = client_of(alice).get(path).content.decode()
        assert "Cannot tell" in page
        assert ("0.8\N{NO-BREAK SPACE}%" in page) == (not reasons), path
