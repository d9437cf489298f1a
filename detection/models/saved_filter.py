"""Searches of the history that a person keeps under a name."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User

MAX_NAME = 60
MAX_QUERY = 1000


class SavedFilter(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, models.CASCADE, related_name="saved_filters")
    name = models.CharField(_("name"), max_length=MAX_NAME)
    query = models.CharField(max_length=MAX_QUERY)  # as in the page's address
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("saved filter")
        verbose_name_plural = _("saved filters")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="filter_name_once"),
            models.UniqueConstraint(
                fields=["owner"], condition=Q(is_default=True), name="one_default_filter"
            ),
        ]

    def __str__(self) -> str:
        return self.name
