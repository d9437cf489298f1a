"""Reviews as labels: with the owner's consent alone, only while it lasts, and never a claim."""

from typing import Any

import pytest
from django.utils import timezone

from accounts import erasure as people_erasure
from accounts.models import AuditEvent, User
from detection import storage, tasks
from detection.models import (
    Dataset,
    Detection,
    GoldenImage,
    Image,
    LabelledImage,
    ModelVersion,
    ReviewItem,
    Snapshot,
)
from detection.services import custody, datasets, erasure, feedback, reviewed_labels, snapshots
from detection.services.consent import set_training_consent
from ml.datasets.manifest import read_manifest
from ml.datasets.splits import SHARES, split_by_name
from tests import archives
from tests.factories import done_row, submitted
from tests.labelled import imported

pytestmark = pytest.mark.django_db


@pytest.fixture
def detection(alice: User, model_version: ModelVersion, fake_judgement: Any) -> Detection:
    """Judged, with its hashes; its owner has said nothing yet."""
    return _judged(alice, 0)


def _judged(owner: User, seed: int) -> Detection:
    row = submitted(owner, archives.pictures(1, start=seed)[0]).detection
    tasks.run_detection(str(row.pk))
    return Detection.objects.select_related("image").get(pk=row.pk)


def _allow(image: Image) -> None:
    Image.objects.filter(pk=image.pk).update(training_consent_at=timezone.now())


def _consent(image: Image, *, is_allowed: bool = True) -> None:
    set_training_consent(by=image.owner, image=image, is_allowed=is_allowed)


def _reviewed(detection: Detection, outcome: str = "manipulated", **fields: Any) -> ReviewItem:
    """A closed review, as the desk leaves it."""
    return ReviewItem.objects.create(
        detection=detection, status="closed", outcome=outcome, closed_at=timezone.now(), **fields
    )


def _labels() -> list[tuple[int, str]]:
    return sorted(LabelledImage.objects.usable().values_list("label", "source"))


@pytest.mark.parametrize(("outcome", "label"), [("authentic", 0), ("manipulated", 1)])
def test_a_review_of_an_image_that_may_be_learnt_from_becomes_a_label(
    outcome: str, label: int, detection: Detection
):
    _allow(detection.image)
    reviewed_labels.learn(_reviewed(detection, outcome))
    row = LabelledImage.objects.get()
    assert (row.label, row.source, row.image) == (label, "reviews", detection.image)
    assert row.dataset.is_of_reviews
    assert row.split == split_by_name(row.group)
    event = AuditEvent.objects.get(action="labelled_image.learnt")
    assert event.target_sha256 == detection.image.sha256


def test_the_same_review_is_learnt_once(detection: Detection):
    _allow(detection.image)
    item = _reviewed(detection)
    reviewed_labels.learn(item)
    reviewed_labels.learn(item)
    assert _labels() == [(1, "reviews")]


def test_nothing_is_learnt_without_consent(detection: Detection):
    reviewed_labels.learn(_reviewed(detection))
    assert not Dataset.objects.exists()


def test_nobody_can_tell_is_no_label(detection: Detection):
    _allow(detection.image)
    reviewed_labels.learn(_reviewed(detection, "cannot_tell"))
    assert _labels() == []


def test_confidential_and_golden_images_are_never_learnt(
    detection: Detection, alice: User, dora: User
):
    _allow(detection.image)
    Image.objects.filter(pk=detection.image_id).update(is_confidential=True)
    reviewed_labels.learn(_reviewed(detection))
    other = _judged(alice, 1)
    _allow(other.image)
    golden = GoldenImage.objects.create(image=other.image, outcome="authentic", added_by=dora)
    reviewed_labels.learn(_reviewed(other, golden=golden))
    reviewed_labels.learn(_reviewed(other))
    assert _labels() == []


def test_a_thousand_claims_are_no_label(detection: Detection, bob: User, monkeypatch: Any):
    _allow(detection.image)
    for _ in range(20):
        feedback.give(
            by=detection.image.owner,
            detection=detection,
            label="real",
            category="false_positive",
            comment="",
            api_key=None,
        )
    for is_allowed in (False, True):
        _consent(detection.image, is_allowed=is_allowed)
    assert _labels() == []


def test_consent_after_the_review_counts_too(detection: Detection):
    item = _reviewed(detection, "authentic")
    reviewed_labels.learn(item)
    _consent(detection.image)
    assert _labels() == [(0, "reviews")]


def test_a_review_that_was_reopened_counts_no_more(detection: Detection):
    item = _reviewed(detection, "authentic")
    ReviewItem.objects.create(detection=detection, previous=item)
    _consent(detection.image)
    assert _labels() == []


def test_a_copy_of_what_is_there_goes_into_its_split(
    detection: Detection, dora: User, alice: User, fake_judgement: Any
):
    into = datasets.create(by=dora, name="Portraits", licence="CC0")
    imported(into, {f"Real/{at}.jpg": archives.resaved(at) for at in range(6)})
    for seed in range(6):
        row = _judged(alice, seed)
        _allow(row.image)
        reviewed_labels.learn(_reviewed(row, "authentic"))
    groups = set(LabelledImage.objects.usable().values_list("group", "split"))
    assert LabelledImage.objects.usable().count() == 12
    assert len(groups) == 6


def test_a_review_that_contradicts_the_data_is_left_out_and_says_so(
    detection: Detection, dora: User
):
    into = datasets.create(by=dora, name="Portraits", licence="CC0")
    imported(into, {"Fake/a.jpg": archives.pictures(1)[0]})
    _allow(detection.image)
    reviewed_labels.learn(_reviewed(detection, "authentic"))
    assert _labels() == [(1, "Portraits")]
    event = AuditEvent.objects.get(action="labelled_image.left_out")
    assert "contradicts" in event.change


def test_splits_of_reviews_have_their_shares_on_average():
    drawn = [split_by_name(f"reviews {at}") for at in range(10_000)]
    for split, share in zip(("train", "val", "test"), SHARES, strict=True):
        assert abs(drawn.count(split) / 10_000 - share) < 0.02


# --- membership: what may not be learnt from is in no list


def _frozen(dora: User) -> Snapshot:
    return snapshots.freeze(list(Dataset.objects.all()), name="now", by=dora)


def _listed() -> str:
    return "".join(storage.snapshot_path(row.sha256).read_text() for row in Snapshot.objects.all())


@pytest.fixture
def others(dora: User) -> None:
    into = datasets.create(by=dora, name="Portraits", licence="CC0")
    imported(into, archives.labelled(6, start=50))


def test_an_image_without_consent_is_in_no_snapshot(
    others: None, detection: Detection, alice: User, dora: User
):
    allowed = _judged(alice, 1)
    _allow(allowed.image)
    for row in (detection, allowed):
        reviewed_labels.learn(_reviewed(row))
    listed = read_manifest(snapshots.manifest_of(_frozen(dora)))
    hashes = {sample.sha256 for sample in listed.samples}
    assert allowed.image.sha256 in hashes
    assert detection.image.sha256 not in hashes
    paths = {sample.path for sample in listed.samples}
    assert storage.original_path(allowed.image_id).resolve() in paths


@pytest.mark.parametrize("how", ["withdrawn", "erased", "hidden", "sent again", "person"])
def test_what_may_be_learnt_no_more_is_in_no_manifest(
    how: str,
    others: None,
    detection: Detection,
    alice: User,
    dora: User,
    django_capture_on_commit_callbacks: Any,
):
    image = detection.image
    _allow(image)
    reviewed_labels.learn(_reviewed(detection))
    frozen = _frozen(dora)
    assert image.sha256 in _listed()
    with django_capture_on_commit_callbacks(execute=True):
        if how == "withdrawn":
            Image.objects.filter(pk=image.pk).update(training_consent_at=None)
            reviewed_labels.unlearn(image, by=alice)
        elif how == "erased":
            erasure.erase_image(by=alice, image=image)
        elif how == "hidden":
            custody.set_confidential(by=alice, image=image, is_confidential=True)
        elif how == "sent again":
            submitted(alice, archives.pictures(1)[0], is_confidential=True)
        else:
            people_erasure.erase_person(by=dora, person=alice, reason="asked")
    assert image.sha256 not in _listed()
    assert str(image.pk) not in _listed()
    frozen.refresh_from_db()
    assert not frozen.is_whole
    assert image.sha256 not in [one.sha256 for one in LabelledImage.objects.usable()]
    again = _frozen(dora)
    assert again != frozen
    assert not again.images.filter(image=image).exists()
    assert AuditEvent.objects.filter(action="labelled_image.removed").count() == 1
    assert AuditEvent.objects.filter(action="snapshot.broken").count() == 1


def test_an_erased_image_loses_its_consent(detection: Detection, alice: User):
    _allow(detection.image)
    erasure.erase_image(by=alice, image=detection.image)
    assert Image.objects.get(pk=detection.image_id).training_consent_at is None


def test_another_owners_same_bytes_stand_in_for_those_that_go(
    detection: Detection, alice: User, bob: User
):
    theirs = _judged(bob, 0)
    for row in (detection, theirs):
        _allow(row.image)
        reviewed_labels.learn(_reviewed(row))
    assert LabelledImage.objects.usable().get().image == detection.image
    reviewed_labels.unlearn(detection.image, by=alice)
    assert LabelledImage.objects.usable().get().image == theirs.image


def test_what_is_looked_at_again_stands_in_for_nothing(
    detection: Detection, alice: User, bob: User
):
    """Not even by what was said of it before that."""
    theirs = _judged(bob, 0)
    for row in (detection, theirs):
        _allow(row.image)
        reviewed_labels.learn(_reviewed(row))
    latest = _reviewed(theirs, "authentic")
    ReviewItem.objects.create(detection=theirs, previous=latest)
    reviewed_labels.unlearn(detection.image, by=alice)
    assert _labels() == []


def test_unlearning_what_was_never_learnt_does_nothing(detection: Detection):
    reviewed_labels.unlearn(detection.image)
    assert not AuditEvent.objects.filter(action="labelled_image.removed").exists()


def test_what_was_unlearnt_may_be_learnt_again(detection: Detection):
    _reviewed(detection)
    for is_allowed in (True, False, True):
        _consent(detection.image, is_allowed=is_allowed)
    assert _labels() == [(1, "reviews")]
    assert LabelledImage.objects.count() == 2


def test_a_row_that_no_verdict_was_given_for_is_no_trouble(
    alice: User, model_version: ModelVersion
):
    row = done_row(alice, model_version)  # never decoded: no hash to compare
    _allow(row.image)
    reviewed_labels.learn(_reviewed(row))
    assert _labels() == [(1, "reviews")]
