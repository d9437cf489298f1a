"""The page Operations in words: whether everything runs, and what to do about what does not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from detection.alert_words import queue_words
from detection.figures import position, share_words
from detection.monitoring_words import seconds_words
from detection.services.failures import COUNTED_TO
from detection.services.operations import Deliveries, Disk, Operations, Scheduled
from detection.services.queues import QueueState
from detection.services.workers import SILENT_AFTER, WAITS_LONG
from detection.words import failure_sentence

HOURS_UNTIL = timedelta(days=2)  # ages are said in hours, then in days
# A batch may lie for hours, and a receiver that fails keeps what is due: neither is a standstill.
WAITED_FOR = ("detect", "evidence", "train")
SCHEDULE: dict[str, Promise] = {
    "sweep": gettext_lazy("Rings again for what waits, ends what is hopeless"),
    "screen": gettext_lazy("Brings to the review desk what the rules say"),
    "sweep_training": gettext_lazy("Takes up trainings that nobody holds"),
    "start_scheduled": gettext_lazy("Starts a training that is due"),
    "seal_audit": gettext_lazy("Signs where the audit trail stands; only if there is news"),
    "drop_ended_windows": gettext_lazy("Forgets limits whose time is over"),
    "count_figures": gettext_lazy("Counts what came, and asks every rule"),
    "watch": gettext_lazy("Looks whether work is done"),
    "retention": gettext_lazy("Erases what was kept for long enough"),
    "tidy": gettext_lazy("Drops old rows"),
    "finish_erasures": gettext_lazy("Removes the files that erasures left"),
    "tidy_files": gettext_lazy("Removes uploads that never ended"),
}
MODEL_STATES: dict[str, Promise] = {
    "active": gettext_lazy("active and whole"),
    "damaged": gettext_lazy("damaged"),
    "none": gettext_lazy("none is active"),
}


@dataclass(frozen=True)
class Trouble:
    """Something that does not run, or is worth a look, and what to do about it."""

    title: str
    advice: str
    stops: bool = True
    link: str = ""
    link_name: str = ""


@dataclass(frozen=True)
class ShownQueue:
    name: str
    waiting: str
    oldest: str
    running: str
    worker: str
    last_sign: str
    is_bad: bool


@dataclass(frozen=True)
class ShownScheduled:
    name: str
    words: str
    every: str
    last: str


def page_of(found: Operations, reader: User) -> dict[str, Any]:
    """What the template shows."""
    now = timezone.now()
    troubles = list(_troubles(found, now))
    stops = [trouble for trouble in troubles if trouble.stops]
    return {
        "found": found,
        "now": now,
        "troubles": sorted(troubles, key=lambda trouble: not trouble.stops),
        "headline": _headline(stops, len(troubles) - len(stops)),
        "tone": "manipulated" if stops else "inconclusive" if troubles else "authentic",
        "queues": None if found.queues is None else [_queue(row, now) for row in found.queues],
        "codes": _codes(found),
        "counted_to": number_format(COUNTED_TO, force_grouping=True),
        "is_counted_out": sum(row.count for row in found.codes or []) >= COUNTED_TO,
        "failed_rows": [
            (row, failure_sentence(row.detection.failure_code)) for row in found.failed.rows
        ]
        if found.failed
        else [],
        "deliveries": found.deliveries and _deliveries(found.deliveries, reader, now),
        "disk": _disk(found.disk),
        "bucket": settings.S3_BUCKET,
        "schedule": found.schedule and [_scheduled(row, now) for row in found.schedule],
        "model_state": MODEL_STATES[found.readiness.model_state] if found.readiness else "",
        "has_mail": settings.HAS_MAIL,
    }


def age_words(at: datetime | None, now: datetime) -> str:
    """How long ago something was, in its largest unit; a dash for never."""
    if at is None:
        return "–"
    age = max(now - at, timedelta())
    if age < HOURS_UNTIL:
        return seconds_words(int(age.total_seconds()))
    return ngettext("%(count)s day", "%(count)s days", age.days) % {
        "count": number_format(age.days)
    }


def _headline(stops: list[Trouble], looks: int) -> str:
    if len(stops) == 1:
        return stops[0].title
    if stops:
        return ngettext(
            "%(count)s thing does not run", "%(count)s things do not run", len(stops)
        ) % {"count": number_format(len(stops))}
    if looks:
        return ngettext(
            "Everything runs; %(count)s thing is worth a look",
            "Everything runs; %(count)s things are worth a look",
            looks,
        ) % {"count": number_format(looks)}
    return _("Everything runs")


def _troubles(found: Operations, now: datetime) -> Iterator[Trouble]:
    if not found.has_broker:
        yield Trouble(
            _("Redis does not answer"),
            _(
                "Uploads are still taken and nothing is lost, but workers are not called. Start "
                "Redis, or check REDIS_URL; what waits is taken up within a minute."
            ),
        )
    if found.is_database_slow:
        yield Trouble(
            _("The database answers slowly"),
            _(
                "Parts of this page are missing. Look what the database is busy with: its load, "
                "its disk, statements that run for long."
            ),
            stops=found.queues is None or found.readiness is None,
        )
    yield from _of_model(found)
    yield from _of_disk(found.disk)
    if found.readiness and found.readiness.is_bucket_away:
        yield Trouble(
            _("The storage does not answer"),
            _(
                "Uploads are refused and what waits is not judged until it does. Look whether the "
                "bucket can be reached from here, and whether its keys are still valid."
            ),
        )
    yield from _of_workers(found, now)
    yield from _of_waiting(found, now)
    yield from _of_deliveries(found)
    if found.alerts:
        yield Trouble(
            ngettext(
                "Monitoring finds %(count)s thing wrong",
                "Monitoring finds %(count)s things wrong",
                found.alerts,
            )
            % {"count": number_format(found.alerts)},
            _("It is about verdicts, not about the machines."),
            stops=False,
            link=reverse("monitoring"),
            link_name=_("Monitoring"),
        )


def _of_model(found: Operations) -> Iterator[Trouble]:
    state = found.readiness.model_state if found.readiness else "active"
    models, name = reverse("models"), _("Models")
    if state == "none":
        yield Trouble(
            _("No model is active"),
            _("Nothing can be judged. Register a model and promote it."),
            link=models,
            link_name=name,
        )
    elif state == "damaged":
        yield Trouble(
            _("The model that judges is damaged"),
            _("Register it again from a whole copy, or go back to the model before."),
            link=models,
            link_name=name,
        )


def _of_disk(disk: Disk) -> Iterator[Trouble]:
    free = {"free": filesizeformat(disk.free_bytes)}
    if disk.free_bytes <= disk.needed_bytes:
        yield Trouble(
            _("The disk is full"),
            _("%(free)s are free, too little for an upload. Make room, or give the disk more.")
            % free,
        )
    elif disk.is_low:
        yield Trouble(
            _("The disk is nearly full"),
            _("%(free)s are free. Make room before uploads are refused.") % free,
            stops=False,
        )


def _of_workers(found: Operations, now: datetime) -> Iterator[Trouble]:
    workers = [row.worker for row in found.queues or [] if row.worker]
    silent = [worker.queue for worker in workers if worker.is_silent]
    if workers and len(silent) == len(workers):
        yield Trouble(
            _("No worker gives a sign"),
            _(
                "All of them at once: beat does not run, they do not reach Redis, or they are not "
                "started. Look at their logs, beat’s first."
            ),
        )
    elif silent:
        yield Trouble(
            _("No sign of the worker for: %(queues)s") % {"queues": _names(silent)},
            _("Look whether its process runs, read the end of its log, and start it again."),
        )
    is_new = found.begun_at is None or now - found.begun_at < SILENT_AFTER
    unheard = [worker.queue for worker in workers if worker.last_at is None]
    if unheard and not is_new:
        yield Trouble(
            _("Never heard of the worker for: %(queues)s") % {"queues": _names(unheard)},
            _("It was not started since this desk began, or beat was not. Start it."),
        )


def _of_waiting(found: Operations, now: datetime) -> Iterator[Trouble]:
    readiness = found.readiness
    for row in found.queues or []:
        if row.worker is not None and row.worker.is_silent:
            continue  # that is said already
        age = now - row.oldest_at if row.oldest_at else timedelta()
        is_stalled = row.queue == "detect" and readiness is not None and readiness.is_stalled
        is_taken_up = row.queue == "train" and row.running
        if (row.queue in WAITED_FOR and age > WAITS_LONG and not is_taken_up) or is_stalled:
            yield Trouble(
                _("Work waits too long: %(queue)s") % {"queue": queue_words(row.queue)},
                _("%(count)s wait, the oldest for %(age)s. Start the worker, or more of them.")
                % {
                    "count": number_format(row.waiting, force_grouping=True),
                    "age": age_words(row.oldest_at, now),
                },
            )


def _of_deliveries(found: Operations) -> Iterator[Trouble]:
    if found.deliveries and found.deliveries.given_up:
        yield Trouble(
            _("Webhooks were given up in the last day"),
            _("Their receivers did not take them. Tell their owners, who can send them again."),
            stops=False,
            link="#deliveries",
            link_name=_("Which"),
        )


def _names(queues: list[str]) -> str:
    return _(", ").join(map(queue_words, queues))


def _queue(row: QueueState, now: datetime) -> ShownQueue:
    worker = row.worker
    if worker is None:
        words = _("at work") if row.running else _("asked for no sign")
    elif worker.last_at is None:
        words = _("not heard yet")
    else:
        words = _("gives no sign") if worker.is_silent else _("works")
    ago = age_words(row.last_at, now)
    return ShownQueue(
        name=queue_words(row.queue),
        waiting=number_format(row.waiting, force_grouping=True),
        oldest=age_words(row.oldest_at, now),
        running=number_format(row.running, force_grouping=True),
        worker=words,
        last_sign=_("%(age)s ago") % {"age": ago} if row.last_at else "",
        is_bad=worker is not None and worker.is_silent,
    )


def _codes(found: Operations) -> list[dict[str, Any]]:
    return [
        {
            "code": row.code,
            "words": failure_sentence(row.code),
            "count": number_format(row.count, force_grouping=True),
            "is_worth_retrying": row.is_worth_retrying,
        }
        for row in found.codes or []
    ]


def _deliveries(found: Deliveries, reader: User, now: datetime) -> dict[str, Any]:
    return {
        "waiting": number_format(found.waiting, force_grouping=True),
        "oldest": _due_words(found.oldest_due_at, now),
        "given_up": number_format(found.given_up, force_grouping=True),
        "endpoints": [
            {
                "host": urlsplit(row.endpoint.url).hostname or _("callbacks of single images"),
                "owner": row.endpoint.owner,
                "count": number_format(row.count, force_grouping=True),
                "link": _own_page(row.endpoint.pk, is_callbacks=row.endpoint.is_for_callbacks)
                if row.endpoint.owner_id == reader.pk and row.endpoint.deleted_at is None
                else "",
            }
            for row in found.by_endpoint
        ],
        "mails_waiting": number_format(found.mails_waiting, force_grouping=True),
        "oldest_mail": _due_words(found.oldest_mail_due_at, now),
        "mails_given_up": number_format(found.mails_given_up, force_grouping=True),
    }


def _own_page(pk: Any, *, is_callbacks: bool) -> str:
    return reverse("webhook_callbacks") if is_callbacks else reverse("webhook", args=[pk])


def _due_words(at: datetime | None, now: datetime) -> str:
    if at is None:
        return ""
    if at > now:
        time = seconds_words(int((at - now).total_seconds()))
        return _("the next is due in %(time)s") % {"time": time}
    return _("the oldest is due for %(age)s") % {"age": age_words(at, now)}


def _disk(disk: Disk) -> dict[str, Any]:
    share = disk.used_bytes / disk.total_bytes
    return {
        "used": filesizeformat(disk.used_bytes),
        "free": filesizeformat(disk.free_bytes),
        "total": filesizeformat(disk.total_bytes),
        "needed": filesizeformat(disk.needed_bytes),
        "share": share_words(share),
        "width": position(share),
        "tone": "manipulated"
        if disk.free_bytes <= disk.needed_bytes
        else "inconclusive"
        if disk.is_low
        else "waiting",
    }


def _scheduled(row: Scheduled, now: datetime) -> ShownScheduled:
    sign_of = row.name.removeprefix("sign_of_")
    if sign_of != row.name:
        words = _("Asks a worker for a sign: %(queue)s") % {"queue": queue_words(sign_of)}
    else:
        words = str(SCHEDULE.get(row.name, row.name))
    if not row.leaves_trace:
        last = _("leaves no trace")
    elif row.last_at is None:
        last = _("not seen yet")
    else:
        last = _("%(age)s ago") % {"age": age_words(row.last_at, now)}
    return ShownScheduled(row.name, words, seconds_words(int(row.every.total_seconds())), last)
