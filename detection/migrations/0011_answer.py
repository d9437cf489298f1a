"""The share of fakes that a desk expects."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("detection", "0010_history"),
    ]

    operations = [
        migrations.AddField(
            model_name="installation",
            name="expected_fake_share",
            field=models.FloatField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="installation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("expected_fake_share__isnull", True),
                    models.Q(("expected_fake_share__gt", 0), ("expected_fake_share__lt", 1)),
                    _connector="OR",
                ),
                name="expected_fake_share_between_0_and_1",
            ),
        ),
    ]
