from django.db import migrations, models

from accounts.index_beside_writers import AddIndexBesideWriters

WAITS = models.Q(status="queued")


class Migration(migrations.Migration):
    """What comes next in a queue, and what somebody was given last, found among all that ended."""

    atomic = False

    dependencies = [("detection", "0026_turns")]

    operations = [
        AddIndexBesideWriters(
            "detection",
            models.Index(
                fields=["queue", "turn", "queued_at"], condition=WAITS, name="detection_turns"
            ),
        ),
        AddIndexBesideWriters(
            "detection",
            models.Index(
                fields=["queue", "turn_of", "turn"], condition=WAITS, name="detection_turns_of"
            ),
        ),
    ]
