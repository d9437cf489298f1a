"""The registry of models: which artifact judges, since when, and how well it was measured."""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from detection.errors import Refused


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def active(self) -> "ModelVersion":
        """The one version that judges new images.

        Raises:
            ModelVersion.DoesNotExist: nothing has been activated yet.
        """
        return self.get(state=ModelVersion.State.ACTIVE)

    def serving(self) -> "ModelVersion":
        """As `active`, for whoever asks for a verdict.

        Raises:
            Refused: nothing has been activated yet.
        """
        try:
            return self.active()
        except ModelVersion.DoesNotExist:
            raise Refused("no_active_model") from None

    def shadow(self) -> "ModelVersion | None":
        """The version that judges silently now; None where none does, or its time is over."""
        return self.filter(is_shadow=True, shadowed_until__gt=Now()).first()


class ModelVersion(models.Model):
    """One registered artifact. Its files lie in the data folder under their SHA-256."""

    class State(models.TextChoices):
        CANDIDATE = "candidate", _("candidate")
        ACTIVE = "active", _("active")
        RETIRED = "retired", _("retired")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=64)
    version = models.CharField(_("version"), max_length=32)
    architecture = models.CharField(max_length=64)
    artifact_sha256 = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.CANDIDATE)
    operating_point = models.JSONField(default=dict)
    metrics = models.JSONField(default=dict)
    licence_notes = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    activated_at = models.DateTimeField(null=True, blank=True)
    damaged_at = models.DateTimeField(null=True, blank=True)  # its files were found altered or gone
    shadowed_since = models.DateTimeField(null=True, blank=True)  # judges silently beside
    shadowed_until = models.DateTimeField(null=True, blank=True)
    # from since on, until the end is recorded
    is_shadow = models.BooleanField(default=False, db_default=False)
    shadow_share = models.FloatField(default=1, db_default=1)  # of the active model's verdicts
    shadow_cursor = models.DateTimeField(null=True, blank=True)  # judged until then: looked at

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("model version")
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="model_version_once"),
            models.UniqueConstraint(
                fields=["state"], condition=Q(state="active"), name="one_active_model_version"
            ),
            models.UniqueConstraint(
                fields=["is_shadow"], condition=Q(is_shadow=True), name="one_shadow_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(is_shadow=False)
                | Q(shadowed_since__isnull=False, shadowed_until__isnull=False),
                name="a_shadow_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(shadow_share__gt=0, shadow_share__lte=1),
                name="shadow_share_is_a_share",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"
