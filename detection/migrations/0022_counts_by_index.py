from django.db import migrations, models

from accounts.index_beside_writers import AddIndexBesideWriters


class Migration(migrations.Migration):
    """Three indexes of few rows, or of few bytes a row, for the counts of the page Operations."""

    atomic = False

    dependencies = [("detection", "0021_defaults_in_the_database")]

    operations = [
        AddIndexBesideWriters(
            "evidencelayer",
            models.Index(
                fields=["status"], condition=models.Q(status="failed"), name="layer_failed"
            ),
        ),
        AddIndexBesideWriters(
            "image",
            models.Index(
                fields=["erased_at", "size_bytes"],
                condition=models.Q(erased_at=None),
                name="image_bytes_kept",
            ),
        ),
        AddIndexBesideWriters(
            "notice",
            models.Index(
                fields=["mail_attempt"],
                condition=models.Q(mailed_at=None, mail_due_at=None, mail_attempt__gt=0),
                name="notice_given_up",
            ),
        ),
    ]
