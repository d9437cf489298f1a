"""Finding the events about an image or a model by its SHA-256."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_audit_mac'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='auditevent',
            index=models.Index(fields=['target_sha256'], name='audit_by_sha256'),
        ),
    ]
