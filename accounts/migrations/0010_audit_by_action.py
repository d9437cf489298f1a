"""Finding the events of one action; built while others write, where the database can."""

from django.db import migrations, models

INDEX = models.Index(fields=["action", "at"], name="audit_by_action")


def build(apps, schema_editor):
    options = {"concurrently": True} if schema_editor.connection.vendor == "postgresql" else {}
    schema_editor.add_index(apps.get_model("accounts", "AuditEvent"), INDEX, **options)


def drop(apps, schema_editor):
    options = {"concurrently": True} if schema_editor.connection.vendor == "postgresql" else {}
    schema_editor.remove_index(apps.get_model("accounts", "AuditEvent"), INDEX, **options)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("accounts", "0009_mail_preference"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.AddIndex("auditevent", INDEX)],
            database_operations=[migrations.RunPython(build, drop)],
        ),
    ]
