"""Rows that are read in keyset pages, newest first."""

import uuid
from datetime import datetime
from typing import Self, TypeVar

from django.db import models
from django.db.models import Q

AnyRow = TypeVar("AnyRow", bound=models.Model)


class NewestFirst(models.QuerySet[AnyRow]):
    """Of a model with `created_at` and a UUID; see `detection.paging`."""

    def newest_first(self) -> Self:
        return self.order_by("-created_at", "-pk")

    def before(self, created_at: datetime, pk: uuid.UUID) -> Self:
        """Rows that come after this one in `newest_first` order."""
        return self.filter(Q(created_at__lt=created_at) | Q(created_at=created_at, pk__lt=pk))
