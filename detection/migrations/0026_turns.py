import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Whose turn it is among those who wait; what a release before this one queues comes first."""

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("detection", "0025_whose_images_in_cases"),
    ]

    operations = [
        migrations.CreateModel(
            "LastTurn",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("queue", models.CharField(max_length=8)),
                ("turn", models.BigIntegerField(default=-1)),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            {
                "indexes": [models.Index(fields=["queue", "turn"], name="last_turn_of_all")],
                "constraints": [
                    models.UniqueConstraint(fields=("owner", "queue"), name="one_last_turn")
                ],
            },
        ),
        migrations.AddField(
            "detection", "turn", models.BigIntegerField(db_default=0, default=0, editable=False)
        ),
        migrations.AddField(
            "detection",
            "turn_of",
            models.ForeignKey(
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
