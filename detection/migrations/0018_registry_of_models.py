"""Comparisons image by image, judging again, and the change of models that was before."""

import uuid
from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def note_earlier_activations(apps: Any, schema_editor: Any) -> None:
    """What judged in turn until now becomes the history that going back reads."""
    using = schema_editor.connection.alias
    versions = apps.get_model("detection", "ModelVersion").objects.using(using)
    activations = apps.get_model("detection", "Activation").objects.using(using)
    previous = None
    for version in versions.exclude(activated_at=None).order_by("activated_at"):
        if activations.filter(version=version).exists():
            continue
        activations.create(
            version=version,
            previous=previous,
            kind="promoted" if previous else "first",
            created_at=version.activated_at,
        )
        previous = version


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_nobodys_addresses"),
        ("detection", "0017_training_progress"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="damaged_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name="ComparedImage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("place", models.PositiveIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[("test", "Test"), ("golden", "Golden"), ("live", "Live")],
                        max_length=8,
                    ),
                ),
                ("about", models.JSONField()),
                ("answers", models.JSONField(default=None, null=True)),
                (
                    "comparison",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="images",
                        to="detection.comparison",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("answers__isnull", True)),
                        fields=["comparison", "place"],
                        name="compared_image_waiting",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("comparison", "place"), name="compared_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Rejudging",
            fields=[
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("running", "running"),
                            ("done", "done"),
                            ("failed", "failed"),
                        ],
                        default="queued",
                        max_length=8,
                    ),
                ),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("attempt_limit", models.PositiveSmallIntegerField(default=3)),
                ("lease_owner", models.CharField(blank=True, max_length=128)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("rung_at", models.DateTimeField(blank=True, null=True)),
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("since", models.DateTimeField(blank=True, null=True)),
                ("total", models.PositiveIntegerField(default=0)),
                ("done", models.PositiveIntegerField(default=0)),
                ("read_until", models.DateTimeField(blank=True, null=True)),
                ("read_until_id", models.UUIDField(blank=True, null=True)),
                (
                    "ended",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "all handed over"),
                            ("cancelled", "cancelled"),
                            ("superseded", "another model judges by now"),
                        ],
                        max_length=16,
                    ),
                ),
                ("failure_code", models.CharField(blank=True, max_length=32)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("completed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "api_key",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="accounts.apikey",
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="detection.case",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rejudgings",
                        to="detection.modelversion",
                    ),
                ),
            ],
            options={
                "verbose_name": "judging again",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("case", None), ("status__in", ["queued", "running"])),
                        fields=("version",),
                        name="one_open_rejudging_of_the_desk",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ["queued", "running"])),
                        fields=("case",),
                        name="one_open_rejudging_of_a_case",
                    ),
                ],
            },
        ),
        migrations.RunPython(note_earlier_activations, migrations.RunPython.noop, elidable=True),
    ]
