from typing import Any

from django.db import migrations, models


class AddIndexBesideWriters(migrations.AddIndex):
    """On PostgreSQL nobody waits while it is built; what an interrupted one left is made anew."""

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            name = schema_editor.quote_name(self.index.name)
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            schema_editor.add_index(model, self.index, concurrently=True)


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
