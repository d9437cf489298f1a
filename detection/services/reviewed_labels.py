"""Reviewed claims as labelled images: with the owner's consent, and only while it lasts.

A label comes from a closed review alone, never from a claim. Which split it gets depends on its
group alone: 80 of 100 groups are for training, 10 for validation, 10 for tests, on average.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction

from accounts import audit
from accounts.models import User
from detection import labelled_files
from detection.models import Dataset, GoldenImage, Image, LabelledImage, Outcome, ReviewItem
from detection.near_pictures import Hashed, near_pairs
from detection.services import datasets
from detection.services.datasets import Record
from detection.services.reviewed import review_of

SOURCE = "reviews"
LABELS = {
    Outcome.AUTHENTIC: labelled_files.LABELS["real"],
    Outcome.MANIPULATED: labelled_files.LABELS["fake"],
}


@dataclass(frozen=True)
class Place:
    """Where a picture belongs: a group, and the split that all of the group is in."""

    group: str
    split: str


class NoPlace(Exception):  # noqa: N818 (it names what is wrong with the picture)
    """A picture that cannot become a label beside those that are there."""

    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because


def learn(item: ReviewItem) -> None:
    """A closed item becomes a label where its owner agreed; in the transaction that closed it.

    Never from one whose outcome is `cannot_tell`, nor from a golden one.
    """
    with transaction.atomic():
        if (record := _learn(item)) is not None:
            record()


def unlearn(image: Image, *, by: User | None = None, because: str = "consent") -> None:
    """Consent was withdrawn, the decision undone or the image erased; in that transaction."""
    with transaction.atomic():
        for record in forget(image, by=by, because=because):
            record()


def forget(image: Image, *, by: User | None = None, because: str = "consent") -> list[Record]:
    """As `unlearn`, within a transaction; gives what records the events, to be called last."""
    rows = LabelledImage.objects.usable().filter(image=image).select_related("image__owner")
    if not rows.exists():  # the image is held, so none comes meanwhile
        return []
    others = _same_that_may_be_learnt(image)  # images are held before datasets
    Dataset.objects.hold_all()
    records = datasets.take_out(list(rows), by=by, because=because)
    if not records:
        return []
    for other in others:
        review = review_of(other.pk)
        item = ReviewItem.objects.get(pk=review.item) if review else None
        if item is not None and (record := _learn(item)) is not None:
            records.append(record)
    return records


def forget_person(person: User) -> Callable[[User | None], object] | None:
    """Consent ends with the person: nothing of theirs is learnt from any more."""
    allowed = Image.objects.filter(owner=person).exclude(training_consent_at=None)
    images = list(allowed.select_for_update().order_by("pk"))
    allowed.update(training_consent_at=None)
    records = [record for image in images for record in forget(image, because="person_erased")]

    def record_all(by: User | None) -> None:
        for record in records:
            record()

    return record_all if records else None


def _same_that_may_be_learnt(image: Image) -> list[Image]:
    """Other owners' same bytes, which may have been reviewed and stood behind these; held fast."""
    same = Image.objects.filter(sha256=image.sha256, erased_at=None).exclude(pk=image.pk)
    held = same.exclude(training_consent_at=None).select_for_update(no_key=True)
    return list(held.order_by("pk"))


def _learn(item: ReviewItem) -> Record | None:
    label = LABELS.get(Outcome(item.outcome)) if item.outcome else None
    image = _held(item)
    if label is None or item.golden_id or not _may_be_learnt(image):
        return None
    dataset = datasets.of_reviews()
    Dataset.objects.hold_all()
    try:
        place = _place(image, label, dataset)
    except NoPlace as refusal:
        return _left_out(image, item, refusal.because)
    row = LabelledImage.objects.create(
        dataset=dataset,
        image=image,
        sha256=image.sha256,
        label=label,
        source=SOURCE,
        group=place.group,
        split=place.split,
        perceptual_hash=image.perceptual_hash,
        mirrored_hash=image.mirrored_hash,
    )

    def record() -> None:
        audit.record(
            "labelled_image.learnt",
            actor=None,
            target=row,
            owner=image.owner,
            target_sha256=image.sha256,
            after={"label": label, "split": place.split, "review": str(item.pk)},
        )

    return record


def _held(item: ReviewItem) -> Image:
    """The image as it is now; nobody erases or hides it until the transaction ends."""
    rows = Image.objects.select_for_update(of=("self",), no_key=True).select_related("owner")
    return rows.get(detections=item.detection_id)


def _may_be_learnt(image: Image) -> bool:
    is_allowed = image.training_consent_at is not None and image.erased_at is None
    is_golden = GoldenImage.objects.filter(image__sha256=image.sha256).exists()
    return is_allowed and not image.is_confidential and not is_golden


def _place(image: Image, label: int, dataset: Dataset) -> Place:
    """Beside its near copies, wherever on this desk they are; else by the hash of its group."""
    usable = LabelledImage.objects.usable()
    same = list(usable.filter(sha256=image.sha256))
    if any(one.dataset_id == dataset.pk for one in same):
        raise NoPlace("already_there")
    if any(one.label != label for one in same):
        raise NoPlace("contradicts")
    near = same + _near(image)
    if len({one.split for one in near}) > 1:
        raise NoPlace("other_split")
    if near:
        return Place(near[0].group, near[0].split)
    group = f"{SOURCE} {image.sha256}"
    return Place(group, labelled_files.split_by_name(group))


def _near(image: Image) -> list[LabelledImage]:
    known = LabelledImage.objects.usable().order_by("created_at", "pk")
    rows = list(known.values_list("pk", "perceptual_hash", "mirrored_hash"))
    pairs = near_pairs(
        [Hashed(image.perceptual_hash, image.mirrored_hash)],
        [Hashed(upright, mirrored) for _pk, upright, mirrored in rows],
    )
    return list(known.filter(pk__in=[rows[at][0] for _, at in pairs]))


def _left_out(image: Image, item: ReviewItem, because: str) -> Record | None:
    """What a review says and the data cannot take is not passed over in silence."""
    if because == "already_there":
        return None

    def record() -> None:
        audit.record(
            "labelled_image.left_out",
            actor=None,
            target=image,
            owner=image.owner,
            target_sha256=image.sha256,
            after={"because": because, "review": str(item.pk)},
        )

    return record
