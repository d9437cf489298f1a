"""Labels that come and go at once: on a database that locks rows, nobody waits for ever."""

import time
from contextlib import ExitStack
from threading import Event

import pytest
from django.db import transaction
from django.utils import timezone

from detection.models import Dataset, Image, LabelledImage, ReviewItem
from detection.services import batches, datasets, reviewed_labels
from detection.services.submission import Request
from tests.factories import (
    done_row,
    image_row,
    in_parallel,
    review_row,
    stored_upload,
    submitted,
)
from tests.images import jpeg_bytes

pytestmark = pytest.mark.django_db(transaction=True)


def test_same_bytes_of_two_owners_do_not_wait_for_each_other(alice, bob, model_version):
    """One is forgotten while the other is learnt from: images first, then the datasets."""
    images = [image_row(owner, sha256="5" * 64) for owner in (alice, bob)]
    Image.objects.update(training_consent_at=timezone.now())
    for image in images:
        review_row(done_row(image.owner, model_version, image=image), by=None)
    datasets.of_reviews()
    reviewed_labels.learn(ReviewItem.objects.get(detection__image=images[0]))
    other_is_held, roles = Event(), iter(["forget", "learn"])

    def change() -> str:
        role = next(roles)
        if role == "forget":
            other_is_held.wait(10)
            reviewed_labels.unlearn(images[0])
            return role
        with transaction.atomic():
            Image.objects.held_fast(images[1].pk)
            other_is_held.set()
            time.sleep(0.5)  # meanwhile the first comes as far as it can
            Dataset.objects.hold_all()
        return role

    assert sorted(in_parallel(change, times=2)) == ["forget", "learn"]
    assert LabelledImage.objects.usable().get().image == images[1]


def test_hiding_a_batch_and_learning_from_one_of_it_do_not_wait_for_each_other(
    alice, model_version
):
    files = [jpeg_bytes(seed=seed) for seed in (1, 2)]
    rows = [submitted(alice, data).detection for data in files]
    low, high = sorted(rows, key=lambda row: row.image.sha256)
    Image.objects.update(training_consent_at=timezone.now())
    reviewed_labels.learn(review_row(low))
    other_is_held, roles = Event(), iter(["hide", "learn"])

    def hide() -> None:
        other_is_held.wait(10)
        wanted = Request(by=alice, via="api", is_confidential=True)
        with ExitStack() as stack:
            uploads = [stack.enter_context(stored_upload(data)) for data in files]
            kept = stack.enter_context(batches.kept(uploads, by=alice))
            with transaction.atomic():
                batches.accept(kept, uploads, wanted, [{}, {}])

    def learn() -> None:
        with transaction.atomic():
            Image.objects.held_fast(high.image_id)
            other_is_held.set()
            time.sleep(0.5)  # meanwhile the batch comes as far as it can
            Dataset.objects.hold_all()

    def change() -> str:
        role = next(roles)
        {"hide": hide, "learn": learn}[role]()
        return role

    assert sorted(in_parallel(change, times=2)) == ["hide", "learn"]
    assert not LabelledImage.objects.usable().exists()
    assert not Image.objects.filter(is_confidential=False).exists()
