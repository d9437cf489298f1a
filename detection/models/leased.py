"""Work that the database owns, whatever it is: queued → running → done | failed.

A claim is a conditional UPDATE with a lease by the database's clock and counts an attempt; a result
is written only by the attempt that still holds the lease, so that a message lost or delivered
thrice changes nothing.
"""

import uuid
from datetime import timedelta
from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from detection.models.newest_first import NewestFirst

AnyWork = TypeVar("AnyWork", bound="Leased")
OPEN_IN_SQL = [RawSQL("'queued'", ()), RawSQL("'running'", ())]


class LeasedQuerySet(NewestFirst[AnyWork]):
    """Of a model that is `Leased`."""

    def open_work(self) -> Self:
        """Rows that wait or run, found among any number of ended ones.

        SQLite matches a question with an index of open rows alone only where the statuses stand in
        the statement itself: as parameters it reads the whole table.
        """
        return self.filter(status__in=OPEN_IN_SQL)

    def claimable(self) -> Self:
        """Queued rows and running ones whose lease has expired, with attempts left."""
        expired = Q(status=Leased.Status.RUNNING, lease_until__lt=Now())
        can_be = Q(status=Leased.Status.QUEUED) | expired
        return self.open_work().filter(can_be, attempt__lt=F("attempt_limit"))

    def exhausted(self) -> Self:
        """Rows whose last attempt's lease ran out."""
        return self.open_work().filter(
            status=Leased.Status.RUNNING, lease_until__lt=Now(), attempt__gte=F("attempt_limit")
        )

    def unheard(self, again_after: timedelta) -> Self:
        """Claimable rows whose last doorbell was so long ago, those unheard longest first."""
        due = Q(rung_at=None) | Q(rung_at__lt=Now() - again_after)
        longest_first = (F("rung_at").asc(nulls_first=True), "created_at")
        return self.claimable().filter(due).order_by(*longest_first)

    def lease(self, pk: uuid.UUID | str, *, worker: str, **also: Any) -> bool:
        """Claim one row for this worker; False when taken, finished, gone or out of attempts."""
        won = (
            self.claimable()
            .filter(pk=pk)
            .update(
                status=Leased.Status.RUNNING,
                lease_owner=worker,
                lease_until=Now() + settings.LEASE,
                attempt=F("attempt") + 1,
                **also,
            )
        )
        return bool(won)


class Leased(models.Model):
    """A row that is its own work order."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    status = models.CharField(max_length=8, choices=Status.choices, default=Status.QUEUED)
    attempt = models.PositiveSmallIntegerField(default=0)
    attempt_limit = models.PositiveSmallIntegerField(default=settings.MAX_ATTEMPTS)
    lease_owner = models.CharField(max_length=128, blank=True)  # host:pid:start of the process
    lease_until = models.DateTimeField(null=True, blank=True)
    rung_at = models.DateTimeField(null=True, blank=True)  # the last doorbell

    class Meta:
        abstract = True

    @property
    def is_finished(self) -> bool:
        return self.status in {self.Status.DONE, self.Status.FAILED}

    def release(self, **fields: Any) -> bool:
        """Give the row back for another attempt; the attempt just made stays counted."""
        back = {"status": self.Status.QUEUED, "lease_until": None, "lease_owner": "", **fields}
        return bool(self._held().filter(attempt__lt=F("attempt_limit")).update(**back))

    def hand_on(self, **fields: Any) -> bool:
        """End one slice of a long work: the row waits for the next, with a fresh set of attempts.

        False, and nothing written, where the lease was lost.
        """
        fresh = {
            "status": self.Status.QUEUED,
            "lease_until": None,
            "lease_owner": "",
            "rung_at": Now(),
            "attempt_limit": F("attempt") + settings.MAX_ATTEMPTS,
            **fields,
        }
        return bool(self._held().update(**fresh))

    def keep_lease(self, duration: timedelta, **fields: Any) -> bool:
        """Hold on for longer, and say how far it is; False where the lease was lost."""
        return bool(self._held().update(lease_until=Now() + duration, **fields))

    def _held(self) -> "models.QuerySet[Self]":
        """This row, if the attempt that this object belongs to still holds it (the fence)."""
        return type(self)._default_manager.filter(
            pk=self.pk, status=self.Status.RUNNING, attempt=self.attempt
        )

    def _end(self, **fields: Any) -> bool:
        """Write the end of this attempt; False, and nothing written, where the lease was lost."""
        ended = {"completed_at": Now(), "lease_until": None, "lease_owner": "", **fields}
        return bool(self._held().update(**ended))

    def _queue_again(self, *ended: str, **fields: Any) -> bool:
        """Give a row that ended so another set of attempts; False where somebody was faster."""
        rows = type(self)._default_manager.filter(
            pk=self.pk, status__in=ended, attempt=self.attempt
        )
        fresh = {
            "status": self.Status.QUEUED,
            "failure_code": "",
            "completed_at": None,
            "attempt_limit": F("attempt") + settings.MAX_ATTEMPTS,
            **fields,
        }
        return bool(rows.update(**fresh))
