"""What somebody looks for in their history, and what was found of it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import QuerySet

from accounts.models import User
from detection.models.history import Door, Kind

COUNTED_TO = 1000


class Order(models.TextChoices):
    NEWEST = "newest"
    OLDEST = "oldest"
    LIKELIEST = "likeliest"


@dataclass(frozen=True)
class Asked:
    """What somebody looks for; an empty field asks for nothing.

    Attributes:
        text: words of file names and source addresses, or the beginning of a SHA-256 or an id.
        owner: whose images; None is everybody's that one may see.
        since, until: received then or later, and before.
        among: querysets of detections' ids that rows must be in.
        is_impossible: nothing can match, such as the images of nobody.
    """

    text: str = ""
    kinds: frozenset[Kind] = frozenset()
    door: Door = Door.NONE
    is_confidential: bool | None = None
    model: uuid.UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    tag: str = ""
    case: uuid.UUID | None = None
    owner: User | None = None
    order: str = Order.NEWEST
    among: tuple[QuerySet[Any], ...] = ()
    is_impossible: bool = False


@dataclass(frozen=True)
class Found:
    """Ids of one page in order, the cursor of the next, empty when there is none, and how many
    rows there are in all, where that was asked.
    """

    ids: list[uuid.UUID]
    next_cursor: str
    total: int = 0
