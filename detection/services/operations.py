"""The desk's machine room in this moment, for the page Operations.

Each part is asked for by itself and in bounded time: what does not come is said to be missing, and
the others stand.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection
from django.db.models import Count, Max, Min, Sum
from django.db.models.functions import Now

from accounts.checkpoints import SEALED
from accounts.models import AuditEvent, User
from accounts.models.audit_event import SYSTEM_CHAIN
from detection import doorbell
from detection.models import (
    DriftAlert,
    EvidenceLayer,
    Image,
    Installation,
    Notice,
    PeriodFigures,
    WebhookDelivery,
    WebhookEndpoint,
    WorkerSign,
)
from detection.models.webhook import WebhookDeliveryQuerySet
from detection.services import drift_alerts, mailing
from detection.services.failures import FailedCode, FailedPage, failed_codes, failed_page
from detection.services.queues import QueueState, queue_states
from detection.services.readiness import Readiness, readiness
from detection.time_limit import TooSlow, time_limit

PATIENCE_S = 3.0  # for all parts together
LEAST_MS = 100  # that the last parts get all the same
GIVEN_UP_SINCE = timedelta(days=1)
SHOWN_ENDPOINTS = 5
LITTLE_SPACE = 0.05  # of the disk

Part = TypeVar("Part")


@dataclass(frozen=True)
class GivenUp:
    """An endpoint that deliveries were given up for in the last day."""

    endpoint: WebhookEndpoint
    count: int


@dataclass(frozen=True)
class Deliveries:
    """What is to be told.

    Attributes:
        oldest_due_at: of the webhooks that wait; one that is to be tried again is due later.
        given_up: webhooks of the last day.
        by_endpoint: those endpoints with the most of them.
        mails_given_up: news that is not mailed any more; it stays on its reader's page.
    """

    waiting: int
    oldest_due_at: datetime | None
    given_up: int
    by_endpoint: list[GivenUp]
    mails_waiting: int
    oldest_mail_due_at: datetime | None
    mails_given_up: int


@dataclass(frozen=True)
class Disk:
    """The disk that holds the data folder; without what is reserved for others."""

    used_bytes: int
    free_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.used_bytes + self.free_bytes

    @property
    def needed_bytes(self) -> int:
        """With as much or less free, no upload is taken."""
        return settings.MAX_UPLOAD_BYTES

    @property
    def is_low(self) -> bool:
        return self.free_bytes < LITTLE_SPACE * self.total_bytes


@dataclass(frozen=True)
class Originals:
    count: int
    size_bytes: int


@dataclass(frozen=True)
class Scheduled:
    """One entry of the schedule.

    Attributes:
        last_at: when it was last seen to run; None where it never was, or leaves no trace.
        leaves_trace: the database knows when it ran.
    """

    name: str
    every: timedelta
    last_at: datetime | None
    leaves_trace: bool


@dataclass(frozen=True)
class Operations:
    """Everything at once; a part is None where the database did not answer in time."""

    readiness: Readiness | None
    queues: list[QueueState] | None
    codes: list[FailedCode] | None
    failed: FailedPage | None
    failed_layers: int | None
    deliveries: Deliveries | None
    schedule: list[Scheduled] | None
    disk: Disk
    originals: Originals | None
    alerts: int | None
    begun_at: datetime | None
    has_broker: bool
    database: str
    version: str = field(default_factory=lambda: settings.VERSION)

    @property
    def is_database_slow(self) -> bool:
        asked = (self.readiness, self.queues, self.codes, self.failed, self.failed_layers)
        more = (self.deliveries, self.schedule, self.originals, self.alerts)
        return any(part is None for part in (*asked, *more))


def operations(*, by: User, code: str = "", cursor: str = "") -> Operations:
    """Ask for everything; within `PATIENCE_S` and half a second, whatever is away or slow.

    Args:
        code: of the failed detections that are listed; empty for all.
        cursor: of their page.
    """
    has_broker = doorbell.unanswered("detect") is not None
    deadline = time.monotonic() + PATIENCE_S

    def asked(part: Callable[[], Part]) -> Part | None:
        left_ms = int(1000 * (deadline - time.monotonic()))
        try:
            with time_limit(max(LEAST_MS, left_ms)):
                return part()
        except TooSlow:
            return None

    return Operations(
        readiness=asked(readiness),
        queues=asked(queue_states),
        codes=asked(failed_codes),
        failed=asked(lambda: failed_page(by=by, code=code, cursor=cursor)),
        deliveries=asked(deliveries),
        schedule=asked(schedule),
        alerts=asked(_alerts),
        begun_at=asked(_begun_at),
        failed_layers=asked(_failed_layers),
        originals=asked(originals),
        disk=disk(),
        has_broker=has_broker,
        database=_database(),
    )


def deliveries() -> Deliveries:
    waiting = WebhookDelivery.objects.pending().aggregate(n=Count("pk"), since=Min("due_at"))
    mails = Notice.objects.unsent().aggregate(n=Count("pk"), since=Min("mail_due_at"))
    given_up = _given_up().values("endpoint").annotate(n=Count("pk")).order_by("-n", "endpoint")
    counts = {row["endpoint"]: row["n"] for row in given_up}
    most = list(counts)[:SHOWN_ENDPOINTS]
    endpoints = WebhookEndpoint.objects.select_related("owner").in_bulk(most)
    mails_given_up = Notice.objects.filter(
        mailed_at=None, mail_due_at=None, mail_attempt__gt=len(mailing.RETRY_AFTER)
    )
    return Deliveries(
        waiting=waiting["n"],
        oldest_due_at=waiting["since"],
        given_up=sum(counts.values()),
        by_endpoint=[GivenUp(endpoints[pk], counts[pk]) for pk in most],
        mails_waiting=mails["n"],
        oldest_mail_due_at=mails["since"],
        mails_given_up=mails_given_up.count(),
    )


def schedule() -> list[Scheduled]:
    """What beat starts, and when each was last seen to run."""
    seen: dict[str, datetime | None] = dict(WorkerSign.objects.values_list("queue", "at"))
    traces = {
        "sweep": seen.get("sweep"),
        "count_figures": PeriodFigures.objects.aggregate(at=Max("counted_at"))["at"],
        # it writes one when there is news alone
        "seal_audit": AuditEvent.objects.filter(chain=SYSTEM_CHAIN, action=SEALED)
        .order_by("-seq")
        .values_list("at", flat=True)
        .first(),
    }
    found = []
    for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
        every: Any = entry["schedule"]
        if name.startswith("sign_of_"):
            traces[name] = seen.get(name.removeprefix("sign_of_"))
        found.append(Scheduled(name, every.run_every, traces.get(name), name in traces))
    return sorted(found, key=lambda row: (not row.leaves_trace, row.every, row.name))


def originals() -> Originals:
    """How many originals are kept, and what they take of the disk.

    Counted without a column, so that an index holds all that is asked and no row is read.
    """
    kept = Image.objects.filter(erased_at=None).aggregate(n=Count("*"), size=Sum("size_bytes"))
    return Originals(kept["n"], kept["size"] or 0)


def disk() -> Disk:
    usage = shutil.disk_usage(settings.DATA_DIR)
    return Disk(usage.used, usage.free)


def _given_up() -> WebhookDeliveryQuerySet:
    return WebhookDelivery.objects.filter(
        status=WebhookDelivery.Status.FAILED, ended_at__gte=Now() - GIVEN_UP_SINCE
    )


def _failed_layers() -> int:
    return EvidenceLayer.objects.filter(status=EvidenceLayer.Status.FAILED).count()


def _alerts() -> int:
    """What Monitoring finds wrong beside the work, which is looked at here itself."""
    standing = DriftAlert.objects.unattended().exclude(rule__in=drift_alerts.OF_WORK)
    return standing.count()


def _begun_at() -> datetime | None:
    return Installation.objects.values_list("created_at", flat=True).first()


def _database() -> str:
    """The kind of database and its version."""
    version = ".".join(map(str, connection.get_database_version()))
    return f"{connection.display_name} {version}"
