"""Which data folder this database belongs to."""

import uuid

from django.db import models
from django.utils import timezone


class Installation(models.Model):
    """The only row: its id also stands in the data folder, so that the two know each other."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return str(self.id)
