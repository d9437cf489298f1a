import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FILL = """
UPDATE detection_caseimage SET image_owner_id =
(SELECT i.owner_id FROM detection_image i WHERE i.id = detection_caseimage.image_id)
WHERE image_owner_id IS NULL
"""


class Migration(migrations.Migration):
    """Whose an image in a case is, beside it. Where a release before writes a row meanwhile, nobody
    says, and it counts as another's: it is then looked at once more, and found to be one's own."""

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("detection", "0024_items_by_detection"),
    ]

    operations = [
        migrations.AddField(
            "caseimage",
            "image_owner",
            models.ForeignKey(
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
