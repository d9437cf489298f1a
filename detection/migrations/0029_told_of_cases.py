import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    """Notices of cases. The release before passes over them: it shows none without an image that
    one may see, and mails none."""

    dependencies = [("detection", "0028_places_in_batches")]

    operations = [
        migrations.AlterField(
            "notice",
            "kind",
            models.CharField(
                choices=[
                    ("review_completed", "A reviewer decided"),
                    ("review_withdrawn", "A decision was taken back"),
                    ("judged_again", "A newer model judged otherwise"),
                    ("case_shared", "Added to a case"),
                ],
                max_length=24,
            ),
        ),
        migrations.AlterField(
            "notice",
            "detection",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="notices",
                to="detection.detection",
            ),
        ),
        migrations.AddField(
            "notice",
            "case",
            models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="detection.case",
            ),
        ),
        migrations.AddConstraint(
            "notice",
            models.CheckConstraint(
                condition=Q(detection=None, case__isnull=False)
                | Q(detection__isnull=False, case=None),
                name="notice_is_of_one_thing",
            ),
        ),
    ]
