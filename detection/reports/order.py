"""What is wanted of one report."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from accounts.models import User


@dataclass(frozen=True)
class Order:
    """What is wanted of one report.

    Attributes:
        recipient: for whom it is, as the person who issues it says; may be empty.
        is_named: whether it names that person.
        has_pictures: whether it shows the picture.
    """

    id: uuid.UUID
    by: User
    at: datetime
    key_id: str
    language: str
    recipient: str = ""
    is_named: bool = False
    has_pictures: bool = True
