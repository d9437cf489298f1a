"""Which data folder this database belongs to, and what is the same for everybody here."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone


class InstallationQuerySet(models.QuerySet["Installation"]):
    def expected_fake_share(self) -> float | None:
        """The share of fakes that the desk expects; None while nobody has said one."""
        return self.values_list("expected_fake_share", flat=True).first()


class Installation(models.Model):
    """The only row: its id also stands in the data folder, so that the two know each other."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expected_fake_share = models.FloatField(null=True, blank=True)

    objects = InstallationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(expected_fake_share__isnull=True)
                | Q(expected_fake_share__gt=0, expected_fake_share__lt=1),
                name="expected_fake_share_between_0_and_1",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
