"""An index says what all originals take of the disk; built while others write, where it can be."""

from django.db import migrations, models
from django.db.models import Q

OLD = models.Index(fields=["created_at"], condition=Q(erased_at=None), name="image_kept_longest")
NEW = models.Index(
    fields=["created_at", "size_bytes"], condition=Q(erased_at=None), name="image_kept_and_size"
)


def exchange(apps, schema_editor, new=NEW, old=OLD):
    options = {"concurrently": True} if schema_editor.connection.vendor == "postgresql" else {}
    image = apps.get_model("detection", "Image")
    schema_editor.add_index(image, new, **options)
    schema_editor.remove_index(image, old, **options)


def exchange_back(apps, schema_editor):
    exchange(apps, schema_editor, new=OLD, old=NEW)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("detection", "0020_history_covered"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex("image", NEW),
                migrations.RemoveIndex("image", OLD.name),
            ],
            database_operations=[migrations.RunPython(exchange, exchange_back)],
        ),
    ]
