from django.db import migrations, models

from accounts.index_beside_writers import AddIndexBesideWriters


class Migration(migrations.Migration):
    """The index of what is kept begins with the size: one that began with the column that is
    always empty made SQLite read all images for every list of some."""

    atomic = False

    dependencies = [("detection", "0022_counts_by_index")]

    operations = [
        AddIndexBesideWriters(
            "image",
            models.Index(
                fields=["size_bytes", "erased_at"],
                condition=models.Q(erased_at=None),
                name="image_sizes_kept",
            ),
        ),
        migrations.RemoveIndex("image", "image_bytes_kept"),
    ]
