import django.db.models.deletion
from django.db import migrations, models

from accounts.index_beside_writers import AddIndexBesideWriters


class Migration(migrations.Migration):
    """Items of golden images by an index of their own. The one of all items was what SQLite read to
    find those without a golden image among the items of one detection: nearly every item."""

    atomic = False

    dependencies = [("detection", "0023_sizes_kept")]

    operations = [
        AddIndexBesideWriters(
            "reviewitem",
            models.Index(
                fields=["golden"],
                condition=models.Q(golden__isnull=False),
                name="review_of_golden",
            ),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL("DROP INDEX IF EXISTS detection_reviewitem_golden_id_441302f0")
            ],
            state_operations=[
                migrations.AlterField(
                    "reviewitem",
                    "golden",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="detection.goldenimage",
                    ),
                ),
            ],
        ),
    ]
