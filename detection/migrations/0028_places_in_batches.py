from django.db import migrations, models


class Migration(migrations.Migration):
    """Where in its batch each file was, and why the others became nothing."""

    dependencies = [("detection", "0027_turns_found")]

    operations = [
        migrations.AddField(
            "batch", "refused", models.JSONField(blank=True, editable=False, null=True)
        ),
        migrations.AddField(
            "submission",
            "batch_position",
            models.PositiveSmallIntegerField(blank=True, editable=False, null=True),
        ),
    ]
