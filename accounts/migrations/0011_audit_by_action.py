from django.db import migrations, models

from accounts.index_beside_writers import AddIndexBesideWriters


class Migration(migrations.Migration):
    """Finding the events of one action."""

    atomic = False

    dependencies = [("accounts", "0010_defaults_in_the_database")]

    operations = [
        AddIndexBesideWriters(
            "auditevent", models.Index(fields=["action", "at"], name="audit_by_action")
        ),
    ]
