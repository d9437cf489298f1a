"""Layers of evidence: asked for on a page or by the API, drawn by a worker.

No event is recorded when one is asked for or drawn. It is a function of the bytes alone that
whoever sees the image may have drawn; it changes no verdict, no right and nothing that anybody
relies on, and goes, rows and files, with the image. Looking at a preview is not recorded either.
"""

import io
import logging
import uuid
from collections.abc import Iterable
from datetime import timedelta

import numpy as np
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from detection import detector, doorbell, storage, words
from detection.errors import StorageAway
from detection.evidence.layer import Drawn, NotDrawn, Source
from detection.evidence.methods import METHODS, draw_layer
from detection.evidence.quantisation import luminance_table
from detection.models import EvidenceLayer, Image
from ml.errors import DecoderUnavailable, UnreadableImage

log = logging.getLogger(__name__)

QUEUE = "evidence"
TASK = "detection.tasks.draw_layer"
JPEGS = {"JPEG", "MPO"}


def ask(*, image: Image, kind: str) -> EvidenceLayer:
    """Have one layer drawn; whoever asks again, or at the same time, gets the same row.

    What failed for a reason that may have passed is tried again, and so is what is done but whose
    file is lost.

    Raises:
        Refused: somebody has erased the image.
        KeyError: there is no such kind.
    """
    version = METHODS[kind].version
    with transaction.atomic():
        Image.objects.held_fast(image.pk)
        row, is_new = EvidenceLayer.objects.get_or_create(image=image, kind=kind, version=version)
        is_asked = is_new or (_may_be_asked_again(row) and row.ask_again())
        if is_asked:
            transaction.on_commit(lambda: ring([row.pk]), robust=True)
    return row


def of_image(image: Image) -> dict[str, EvidenceLayer]:
    """Rows of the methods as they are now, by kind."""
    current = Q()
    for kind, method in METHODS.items():
        current |= Q(kind=kind, version=method.version)
    return {row.kind: row for row in EvidenceLayer.objects.filter(current, image=image)}


def is_there(row: EvidenceLayer) -> bool:
    """Whether the layer can be shown; its file is disposable and may have been lost."""
    if row.status != EvidenceLayer.Status.DONE:
        return False
    try:
        return storage.exists(storage.layer_path(row.image_id, row.kind, row.version))
    except StorageAway:  # it was, and nobody is to draw it again for that
        return True


def draw(layer_id: uuid.UUID | str, *, worker: str) -> None:
    """Claim, draw, record; a repeated delivery finds nothing to claim and returns."""
    claim = EvidenceLayer.objects.claim(layer_id, worker=worker)
    if claim is None:
        return
    path = storage.layer_path(claim.image_id, claim.kind, claim.version)
    try:
        drawn = _drawn(claim)
        storage.write_atomically(path, _png(drawn))
    except StorageAway:
        claim.hand_on()
        return
    except (UnreadableImage, NotDrawn, DecoderUnavailable, detector.OriginalMissing) as error:
        log.warning("layer %s: %s", claim.pk, error.code)
        _fail_or_try_again(claim, error.code)
        return
    if not claim.complete(drawn.figures) and _is_erased(claim.image_id):
        storage.erase(claim.image_id)  # erased while it was being drawn


def give_up(layer_id: uuid.UUID | str, code: str, *, worker: str) -> None:
    """End the attempt that this process had begun when its time ran out."""
    held = EvidenceLayer.objects.filter(
        pk=layer_id, status=EvidenceLayer.Status.RUNNING, lease_owner=worker
    )
    for row in held:
        row.fail(code)


def ring(layers: Iterable[uuid.UUID]) -> bool:
    """Have these layers drawn; False where the broker is away and the sweeper has to."""
    return all(doorbell.send(TASK, [str(pk)], QUEUE) for pk in layers)


def ring_waiting(*, again_after: timedelta, at_most: int) -> int:
    """Ring for rows nobody took and for expired leases, those unheard longest first."""
    waiting = EvidenceLayer.objects.unheard(again_after)
    some = list(waiting.values_list("pk", flat=True)[:at_most])
    if not some or not ring(some):
        return 0
    EvidenceLayer.objects.filter(pk__in=some).update(rung_at=Now())
    return len(some)


def fail_exhausted() -> int:
    """End the rows whose last attempt's lease ran out."""
    return sum(row.fail("attempts_exhausted") for row in EvidenceLayer.objects.exhausted())


def _may_be_asked_again(row: EvidenceLayer) -> bool:
    if row.status == EvidenceLayer.Status.FAILED:
        return row.failure_code in words.TRANSIENT_FAILURES
    return row.status == EvidenceLayer.Status.DONE and not is_there(row)


def _drawn(row: EvidenceLayer) -> Drawn:
    """Decode every pixel, within the decoder's limits, and look at them."""
    decoded = detector.decode(row.image, min_side=None)
    table = _table(row.image_id) if decoded.facts.format in JPEGS else None
    return draw_layer(row.kind, Source(decoded.pixels, table), decoded.facts.orientation)


def _table(image_id: uuid.UUID) -> np.ndarray | None:
    with storage.local(storage.original_path(image_id)) as path:
        return luminance_table(path)


def _png(drawn: Drawn) -> bytes:
    """Pixels and nothing else: the picture is new and carries no metadata."""
    buffer = io.BytesIO()
    drawn.picture.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def _fail_or_try_again(claim: EvidenceLayer, code: str) -> None:
    if code in detector.WORTH_ANOTHER_TRY and claim.release():
        ring([claim.pk])
    else:
        claim.fail(code)


def _is_erased(image_id: uuid.UUID) -> bool:
    return not Image.objects.filter(pk=image_id, erased_at=None).exists()
