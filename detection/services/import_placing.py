"""The second half of an import: near copies and stated groups stay together, in one split.

A picture that is a near copy of one that this desk holds, in whatever dataset, goes into that
one's split or not at all. Everything else is dealt out, group by group, to the split that is
furthest behind its share of the label and source; in the order of hashes, so that neither names
nor the order of an archive decide.
"""

import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Count

from detection import labelled_files
from detection.models import Dataset, DatasetImport, ImportedFile, LabelledImage
from detection.near_pictures import Hashed, Together, near_among, near_pairs

Outcome, Stage = ImportedFile.Outcome, DatasetImport.Stage
GROUPS_AT_ONCE = 1_000  # each time all of the desk's hashes are read
PLACED_COLUMNS = ["outcome", "note", "labelled"]
Key = tuple[str, int]  # of a source and a label


@dataclass(frozen=True)
class Known:
    """A labelled image that is there already."""

    pk: uuid.UUID
    dataset_id: uuid.UUID
    sha256: str
    label: int
    group: str
    split: str


@dataclass
class Desk:
    """What a group of files is held against.

    Attributes:
        near: by the number of a file, labelled images that show the same or state the same group.
        given: by source and label, how many images of the dataset are in each split.
    """

    near: dict[int, list[Known]]
    given: dict[Key, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def group_files(claim: DatasetImport) -> None:
    """Give files that belong together one key, and refuse what is both real and fake.

    Raises:
        LeaseLost: another worker holds the import.
    """
    with transaction.atomic():
        claim.advance(stage=Stage.PLACE)
        rows = list(claim.files.filter(outcome=Outcome.READ).order_by("position"))
        _refuse_both_labels(rows)
        for key, members in _together(rows).items():
            if len(members) > 1:
                ImportedFile.objects.filter(pk__in=members).update(key=key)


def place_files(claim: DatasetImport, *, ends_at: float) -> bool:
    """Add groups until the time is over; whether all were seen to.

    Raises:
        LeaseLost: another worker holds the import.
    """
    read = claim.files.filter(outcome=Outcome.READ)
    while True:
        keys = list(read.order_by("key").values_list("key", flat=True).distinct()[:GROUPS_AT_ONCE])
        if not keys:
            return True
        with transaction.atomic():
            claim.advance()
            Dataset.objects.hold_all()
            rows = list(read.filter(key__in=keys).order_by("key", "position"))
            _place(claim, rows)
        if time.monotonic() >= ends_at:
            return not read.exists()


def _refuse_both_labels(rows: Sequence[ImportedFile]) -> None:
    labels: dict[str, set[int | None]] = defaultdict(set)
    for row in rows:
        labels[row.sha256].add(row.label)
    torn = [row.pk for row in rows if len(labels[row.sha256]) > 1]
    ImportedFile.objects.filter(pk__in=torn).update(outcome=Outcome.BOTH_LABELS)


def _together(rows: Sequence[ImportedFile]) -> dict[str, list[int]]:
    """By the key that they get, the numbers of rows that belong together."""
    groups = Together(len(rows))
    for one, other in near_among([_hashed(row) for row in rows]):
        groups.join(one, other)
    first: dict[str, int] = {}
    for at, row in enumerate(rows):
        for said in (f"sha256 {row.sha256}", row.stated_group and f"group {row.stated_group}"):
            if said:
                groups.join(first.setdefault(said, at), at)
    found: dict[str, list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        found[rows[groups.first_of(at)].sha256].append(row.pk)
    return found


def _place(claim: DatasetImport, rows: Sequence[ImportedFile]) -> None:
    desk = Desk(_known(claim, rows), _given(claim))
    groups: dict[str, list[ImportedFile]] = defaultdict(list)
    for row in rows:
        groups[row.key].append(row)
    made = [one for group in groups.values() for one in _placed(claim, group, desk)]
    LabelledImage.objects.bulk_create(made)
    ImportedFile.objects.bulk_update(rows, PLACED_COLUMNS)


def _placed(claim: DatasetImport, files: Sequence[ImportedFile], desk: Desk) -> list[LabelledImage]:
    """The images that one group becomes; each of its files is told what became of it."""
    near = [known for row in files for known in desk.near.get(row.pk, [])]
    rest = [row for row in files if not _refused_by_itself(claim, row, desk)]
    splits = {known.split for known in near}
    if len(splits) > 1:
        _refuse(rest, near)
        return []
    stated = [row.stated_split for row in rest if row.stated_split]
    split = next(iter(splits), stated[0] if stated else "")
    others = [row for row in rest if row.stated_split not in {"", split}]
    _refuse(others, near)
    kept = _once([row for row in rest if row not in others])
    if not split:
        split = _dealt(kept, desk)
    group = near[0].group if near else _group_name(claim, files)
    return [_made(claim, row, group, split, desk) for row in kept]


def _refused_by_itself(claim: DatasetImport, row: ImportedFile, desk: Desk) -> bool:
    same = [known for known in desk.near.get(row.pk, []) if known.sha256 == row.sha256]
    if any(known.label != row.label for known in same):
        row.outcome = Outcome.CONTRADICTS
    elif any(known.dataset_id == claim.dataset_id for known in same):
        row.outcome = Outcome.ALREADY_THERE
    return row.outcome != Outcome.READ


def _refuse(rows: Iterable[ImportedFile], near: Sequence[Known]) -> None:
    said = ", ".join(sorted({f"{known.sha256[:12]} {known.split}" for known in near})[:3])
    for row in rows:
        row.outcome, row.note = Outcome.OTHER_SPLIT, said


def _once(rows: Sequence[ImportedFile]) -> list[ImportedFile]:
    """The first of equal files; the others are told that it is there."""
    first: dict[str, ImportedFile] = {}
    for row in rows:
        if first.setdefault(row.sha256, row) is not row:
            row.outcome = Outcome.ALREADY_THERE
    return list(first.values())


def _dealt(rows: Sequence[ImportedFile], desk: Desk) -> str:
    keys = {(row.source, row.label or 0) for row in rows}
    given = [sum(desk.given[key][split] for key in keys) for split in labelled_files.SPLITS]
    return labelled_files.next_split(given, max(1, len(rows)))


def _group_name(claim: DatasetImport, files: Sequence[ImportedFile]) -> str:
    stated = next((row.stated_group for row in files if row.stated_group), "")
    dataset = claim.dataset_id.hex[:8]
    return f"{dataset} {stated}"[:120] if stated else f"picture {files[0].key}"


def _made(
    claim: DatasetImport, row: ImportedFile, group: str, split: str, desk: Desk
) -> LabelledImage:
    label = row.label or 0
    desk.given[row.source, label][split] += 1
    image = LabelledImage(
        dataset_id=claim.dataset_id,
        sha256=row.sha256,
        label=label,
        source=row.source,
        method=row.method,
        group=group,
        split=split,
        perceptual_hash=row.perceptual_hash,
        mirrored_hash=row.mirrored_hash,
    )
    row.outcome, row.labelled = Outcome.ADDED, image
    return image


def _known(claim: DatasetImport, rows: Sequence[ImportedFile]) -> dict[int, list[Known]]:
    """By the number of a file, what is there of its bytes, of its look and of its stated group."""
    usable = LabelledImage.objects.usable().order_by("created_at", "pk")
    there = list(usable.values_list("pk", "sha256", "perceptual_hash", "mirrored_hash"))
    pairs = near_pairs([_hashed(row) for row in rows], [Hashed(*one[2:]) for one in there])
    by_sha256: dict[str, list[int]] = defaultdict(list)
    for at, one in enumerate(there):
        by_sha256[one[1]].append(at)
    for at, row in enumerate(rows):
        pairs.update((at, other) for other in by_sha256.get(row.sha256, []))
    wanted = {there[other][0] for _, other in pairs}
    stated = _stated(claim, rows)
    wanted |= {pk for pks in stated.values() for pk in pks}
    columns = ("pk", "dataset_id", "sha256", "label", "group", "split")
    known = {one[0]: Known(*one) for one in usable.filter(pk__in=wanted).values_list(*columns)}
    found: dict[int, list[Known]] = defaultdict(list)
    for at, other in sorted(pairs):
        found[rows[at].pk].append(known[there[other][0]])
    for row in rows:
        found[row.pk] += [known[pk] for pk in stated.get(row.stated_group, []) if pk in known]
    return found


def _stated(claim: DatasetImport, rows: Sequence[ImportedFile]) -> dict[str, list[uuid.UUID]]:
    """By the group that a manifest states, one image of each split that is in it already."""
    names = {row.stated_group for row in rows if row.stated_group}
    earlier = ImportedFile.objects.filter(
        stated_group__in=names,
        dataset_import__dataset=claim.dataset_id,
        labelled__removed_at=None,
    ).exclude(labelled=None)
    found: dict[str, list[uuid.UUID]] = defaultdict(list)
    for name, pk in earlier.order_by("pk").values_list("stated_group", "labelled"):
        found[name].append(pk)
    return {name: pks[:1] for name, pks in found.items()}


def _given(claim: DatasetImport) -> dict[Key, Counter[str]]:
    rows = (
        LabelledImage.objects.usable()
        .filter(dataset=claim.dataset_id)
        .order_by()
        .values_list("source", "label", "split")
        .annotate(images=Count("pk"))
    )
    given: dict[Key, Counter[str]] = defaultdict(Counter)
    for source, label, split, images in rows:
        given[source, label][split] = images
    return given


def _hashed(row: ImportedFile) -> Hashed:
    return Hashed(row.perceptual_hash, row.mirrored_hash)
