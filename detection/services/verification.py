"""Comparing what is stored with what the audit trail says was stored."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from accounts.models import AuditEvent
from detection import storage
from detection.batches import batches
from detection.models import Detection, Image

BATCH = 500


@dataclass(frozen=True)
class Difference:
    """One thing that is not what was recorded.

    Attributes:
        kind: `changed` or `missing`, or `unrecorded` for a verdict without its event.
        what: the object, such as `detection/…` or `image/…`.
        names: which of its values differ.
    """

    kind: str
    what: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}" + (f" ({', '.join(self.names)})" if self.names else "")


def changed_verdicts() -> Iterator[Difference]:
    """Verdicts that are not the ones recorded when they were given, or that nobody recorded."""
    events = AuditEvent.objects.filter(action="detection.completed").order_by("id")
    for batch in batches(events.iterator(chunk_size=BATCH), BATCH):
        rows = _rows([event.target_id for event in batch])
        for event in batch:
            yield from _against(event, rows.get(event.target_id))
    done = Detection.objects.filter(status=Detection.Status.DONE).order_by("created_at")
    for some in batches(done.values_list("pk", flat=True).iterator(chunk_size=BATCH), BATCH):
        ids = [str(pk) for pk in some]
        known = set(
            AuditEvent.objects.filter(
                action="detection.completed", target_type="detection", target_id__in=ids
            ).values_list("target_id", flat=True)
        )
        yield from (Difference("unrecorded", f"detection/{pk}") for pk in ids if pk not in known)


def damaged_originals() -> Iterator[Difference]:
    """Originals that are gone, or whose bytes no longer have their SHA-256. Reads every one."""
    for image in Image.objects.filter(erased_at=None).order_by("created_at").iterator():
        if not storage.exists(storage.original_path(image.pk)):
            yield Difference("missing", f"image/{image.pk}")
        elif not storage.is_intact(image.pk, image.sha256):
            yield Difference("changed", f"image/{image.pk}", ("original",))


def unnamed_originals() -> Iterator[str]:
    """Files among the originals that no image has; a crash leaves one, anything else puts one in.

    What was written before the rows were read is named by one of them, or by none.
    """
    for folder in storage.listed("originals"):
        names = {one.path: storage.image_id(one.path) for one in folder}
        ids = [pk for pk in names.values() if pk is not None]
        known = set(Image.objects.filter(pk__in=ids, erased_at=None).values_list("pk", flat=True))
        for path in sorted(path for path, pk in names.items() if pk not in known):
            yield storage.name_of(path)


def _against(event: AuditEvent, row: Detection | None) -> Iterator[Difference]:
    what = f"detection/{event.target_id}"
    if row is None:
        yield Difference("missing", what)
        return
    then, now = json.loads(event.change)["after"], row.outcome()
    # an erased image gives up its own SHA-256; the event keeps it
    is_same_image = row.image.erased_at or row.image.sha256 == event.target_sha256
    names = [name for name in sorted(then) if then[name] != now.get(name)]
    if not is_same_image:
        names.append("sha256")
    if names:
        yield Difference("changed", what, tuple(names))


def _rows(ids: Sequence[str]) -> dict[str, Detection]:
    found = Detection.objects.filter(pk__in=ids).select_related("image", "model_version")
    return {str(row.pk): row for row in found}
