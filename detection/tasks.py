"""Celery entry points: claim, call, record. The database decides whether there is work."""

import logging
import os
import uuid
from datetime import timedelta
from typing import Any

import numpy as np
from celery import current_app, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import worker_process_init, worker_ready
from django.db import connections, transaction

from deepfake_site import traces
from detection import detector, hashing, likeness, previews, storage, taking, training_tasks
from detection.doorbell import announce_end, ring
from detection.errors import StorageAway
from detection.models import Detection, Image, ModelVersion, Region
from detection.services import (
    comparisons,
    dataset_imports,
    delivering,
    drift_alerts,
    erasure,
    idempotency,
    judging_again,
    layers,
    leases,
    mailing,
    orphans,
    period_figures,
    regions,
    registry,
    review_screening,
    shadowing,
    sweeping,
    workers,
)
from ml.errors import ArtifactError, DecoderUnavailable, UnreadableImage

log = logging.getLogger(__name__)
__all__ = ["taking", "training_tasks"]  # found by Celery through this module

AFTER_A_START = timedelta(seconds=2)
NOBODY_WAITS = {"train"}  # queues whose tasks load the models they need
REGION_COLUMNS = (
    "verdict",
    "probability",
    "reasons",
    "transforms",
    "activation",
    "activation_shape",
)


@shared_task
def run_detection(detection_id: str) -> None:
    """Judge the image that comes next, which need not be the one that this doorbell names.

    A delivery for which nothing is left to claim returns.
    """
    worker = leases.process_name(os.getpid())
    with traces.stage("claim"):
        claim = Detection.objects.claim_next(detection_id, worker=worker)
    if claim is None:
        return
    traces.say_whose(is_another=str(claim.pk) != detection_id)
    try:
        _judge(claim)
    except SoftTimeLimitExceeded:  # what was recorded by then stays
        _fail_or_try_again(claim, "decoder_timeout")


def _judge(claim: Detection) -> None:
    """Judge what is claimed, and record how that ended."""
    try:
        with traces.stage("judge"):
            judgement = detector.judge(claim.image, claim.model_version)
    except StorageAway:
        claim.put_off()  # no fault of the file
        return
    except UnreadableImage as error:
        _fail_or_try_again(claim, error.code)
        return
    except ArtifactError as error:
        log.error("detection %s: %s", claim.pk, error.code)
        registry.note_damage(claim.model_version, error.code)
        _fail_or_try_again(claim, error.code)
        return
    except (DecoderUnavailable, detector.OriginalMissing) as error:
        log.error("detection %s: %s", claim.pk, error.code)
        _fail_or_try_again(claim, error.code)
        return
    hashes = likeness.columns(*hashing.perceptual_hashes(judgement.pixels))
    with traces.stage("record"), transaction.atomic():  # one sync to disk instead of two
        # The image's row before the detection's and the event, as a submission takes them. What
        # decoding found is the same at every attempt, whoever holds the lease by now.
        Image.objects.filter(pk=claim.image_id, erased_at=None).update(
            facts=judgement.facts, **hashes
        )
        is_recorded = claim.complete(told=judging_again.tell, **judgement.result)
    if is_recorded:
        if claim.model_version.damaged_at:
            registry.note_sound(claim.model_version)
        announce_end(claim.pk)
        delivering.ring_or_leave_due(claim.deliveries_written)
        with traces.stage("describe"):
            _describe(claim.image, judgement.pixels)


@shared_task(soft_time_limit=30, time_limit=35)  # still less than the lease
def draw_layer(layer_id: str) -> None:
    """Draw one layer of evidence that somebody asked for.

    Longer than others take: on a busy machine the largest pictures need it.
    """
    try:
        layers.draw(layer_id, worker=leases.process_name(os.getpid()))
    except SoftTimeLimitExceeded:
        layers.give_up(layer_id, "layer_timeout", worker=leases.process_name(os.getpid()))


@shared_task
def run_region(region_id: str) -> None:
    """Judge one part of an image. A repeated delivery finds nothing to claim and returns."""
    claim = Region.objects.claim(region_id, worker=leases.process_name(os.getpid()))
    if claim is None:
        return
    try:
        _judge_part(claim)
    except SoftTimeLimitExceeded:  # what was recorded by then stays
        regions.fail_or_try_again(claim, "decoder_timeout")


def _judge_part(claim: Region) -> None:
    """Judge the part that is claimed, and record how that ended."""
    detection = claim.detection
    try:
        judgement = detector.judge_part(detection.image, detection.model_version, claim.box_px)
    except StorageAway:
        claim.hand_on()
        return
    except UnreadableImage as error:
        code = error.code
    except (ArtifactError, DecoderUnavailable, detector.OriginalMissing) as error:
        log.error("region %s: %s", claim.pk, error.code)
        code = error.code
    else:
        if claim.complete(**{name: judgement.result[name] for name in REGION_COLUMNS}):
            regions.show(claim, judgement)
        return
    regions.fail_or_try_again(claim, code)


@shared_task(soft_time_limit=165, time_limit=170)  # still less than the lease
def compare_models(comparison_id: str) -> None:
    """One slice of a comparison; it rings for the next itself."""
    worker = leases.process_name(os.getpid())
    try:
        comparisons.go_on(comparison_id, worker=worker)
    except SoftTimeLimitExceeded:
        comparisons.give_back(comparison_id, worker=worker)


@shared_task
def judge_again(rejudging_id: str) -> None:
    """Hand a few older detections over, if nothing else waits; it rings for the next itself."""
    judging_again.hand_over(rejudging_id, worker=leases.process_name(os.getpid()))


@shared_task
def run_shadow(judgement_id: str) -> None:
    """Judge one image once more, silently."""
    worker = leases.process_name(os.getpid())
    try:
        shadowing.judge(judgement_id, worker=worker)
    except SoftTimeLimitExceeded:
        shadowing.give_up(judgement_id, worker=worker)


@shared_task(soft_time_limit=30, time_limit=35)  # a slice of 12 s and one slow file; see draw_layer
def import_labelled(import_id: str) -> None:
    """Work off one slice of an import of labelled files."""
    worker = leases.process_name(os.getpid())
    try:
        dataset_imports.work(import_id, worker=worker)
    except SoftTimeLimitExceeded:
        dataset_imports.give_up_slice(import_id, worker=worker)


@shared_task
def deliver_webhook(delivery_id: str, *others: str) -> None:
    """Send one webhook, and ring on for others that came by the same doorbell."""
    for other in others:
        delivering.ring([uuid.UUID(other)])
    delivering.deliver(delivery_id)


@shared_task
def mail_news(user_id: str) -> None:
    """Mail one person what they are told; a repeated doorbell finds nothing due."""
    mailing.mail_news(user_id)


@shared_task
def sweep() -> None:
    """Free dead leases, end what is hopeless, ring again for what waits."""
    workers.sign("sweep")
    sweeping.sweep()
    if workers.is_any_silent():  # the one that watches may be the silent one
        drift_alerts.check_work()


@shared_task
def give_sign(queue: str) -> None:
    """Say that whoever works off this queue is there."""
    workers.sign(queue)


@shared_task
def watch() -> None:
    """Look whether work is done, and mail alerts; by another worker than the one that judges."""
    drift_alerts.check_work()


@shared_task
def count_figures() -> None:
    """Count the latest days, and ask every rule what it says of them."""
    period_figures.refresh()
    drift_alerts.check()


@shared_task
def screen() -> None:
    """Bring to the review desk what the rules say of the detections that ended."""
    review_screening.screen()


@shared_task
def tidy() -> None:
    """Drop old rows. What walks over files has tasks, and so a time limit, of its own."""
    idempotency.forget_old()
    delivering.cancel_stranded()
    delivering.drop_old()


@shared_task
def finish_erasures() -> None:
    """Remove the files that erasures left."""
    erasure.finish()


@shared_task
def tidy_files() -> None:
    """Remove uploads that never ended; set orphans aside."""
    orphans.tidy()


@shared_task
def retention() -> None:
    """Erase what this desk has kept for as long as it wants to."""
    erasure.erase_expired()


@worker_process_init.connect
def load_model(**_: Any) -> None:
    """Pay for the model's loading before the first image does, where images are judged."""
    if set(current_app.amqp.queues.consume_from) <= NOBODY_WAITS:
        return
    version = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).first()
    if version is None:
        return
    try:
        detector.warm(version)
    except ArtifactError as error:  # each detection will say so again, with its own row
        log.error("model %s cannot be loaded: %s", version, error.code)
        registry.note_damage(version, error.code)
    except StorageAway as error:
        log.error("model %s cannot be loaded: %s", version, error.code)


@worker_ready.connect
def take_over(**_: Any) -> None:
    """Pick up what dead processes of this host left behind."""
    swept = sweeping.sweep(ring_again_after=AFTER_A_START)
    log.info(
        "ready; leases freed %s, rows failed %s, doorbells %s, for webhooks %s, for layers %s,"
        " for parts %s, for silent judgements %s, for news %s, for comparisons %s,"
        " for judging again %s, for imports %s",
        *swept.values(),
    )
    connections.close_all()  # or every pool process started from here on would share it


def _describe(image: Image, pixels: np.ndarray) -> None:
    """What nobody waits for: previews."""
    try:
        previews.write_previews(image, pixels)
    except StorageAway as error:  # whoever wants to see them has them drawn
        log.warning("previews of image %s: %s", image.pk, error.code)
    if erasure.is_erased(image.pk):
        storage.erase(image.pk)  # while it was being described


def _fail_or_try_again(claim: Detection, code: str) -> None:
    """Put the row back and ring where that may help and an attempt is left; else it failed."""
    if code in detector.WORTH_ANOTHER_TRY and claim.release():
        ring(claim.pk, claim.queue)
    elif claim.fail(code):
        announce_end(claim.pk)
        delivering.ring_or_leave_due(claim.deliveries_written)
