"""Perceptual hashes are found by their neighbourhood, and mirrored copies too."""

from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

CHUNK = 5000
FEWEST_BITS = 16
# One statement a chunk: psycopg2 would send each row of `executemany` by itself.
BY_BAND = """
UPDATE detection_image SET band_0 = v.column2, band_1 = v.column3, band_2 = v.column4
FROM (VALUES {rows}) AS v WHERE id = {key}
"""
KEYS = {"postgresql": "v.column1::uuid", "sqlite": "v.column1"}


def fill_bands(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Cut up the hashes that are there, as `detection.likeness.bands` does."""
    connection = schema_editor.connection
    field = apps.get_model("detection", "Image")._meta.pk
    with connection.cursor() as cursor:
        for chunk in _chunks(apps, connection.alias):
            rows = [
                f"('{field.get_db_prep_value(pk, connection)}', {', '.join(map(str, _bands(value)))})"
                for pk, value in chunk
                if value and int(value, 16).bit_count() >= FEWEST_BITS
            ]
            if rows:
                cursor.execute(BY_BAND.format(rows=", ".join(rows), key=KEYS[connection.vendor]))


def _chunks(apps: StateApps, alias: str):
    images = apps.get_model("detection", "Image").objects.using(alias)
    rows = images.order_by("pk").values_list("pk", "perceptual_hash")
    chunk = list(rows[:CHUNK])
    while chunk:
        yield chunk
        chunk = list(rows.filter(pk__gt=chunk[-1][0])[:CHUNK])


def _bands(perceptual_hash: str) -> tuple[int, ...]:
    bits = f"{int(perceptual_hash, 16):064b}"[1:]
    return tuple(int(bits[start::3], 2) for start in range(3))


class Migration(migrations.Migration):
    dependencies = [
        ("detection", "0006_regions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(model_name="image", name="image_by_phash"),
        migrations.AddField(
            "image",
            "mirrored_hash",
            models.CharField(blank=True, default="", max_length=16),
            preserve_default=False,
        ),
        *(
            migrations.AddField(
                "image", f"band_{number}", models.IntegerField(editable=False, null=True)
            )
            for number in range(3)
        ),
        migrations.RunPython(fill_bands, migrations.RunPython.noop, elidable=True),
        *(
            migrations.AddIndex(
                "image",
                models.Index(
                    fields=[f"band_{number}", "is_confidential", "owner", "perceptual_hash"],
                    name=f"image_by_band_{number}",
                ),
            )
            for number in range(3)
        ),
    ]
