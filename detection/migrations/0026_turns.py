import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Whose turn it is among those who wait; what a release before this one queues comes first."""

    dependencies = [
        ('detection', '0025_whose_images_in_cases'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='detection',
            name='turn',
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='detection',
            name='turn_of',
            field=models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='detection',
            index=models.Index(condition=models.Q(('status', 'queued')), fields=['queue', 'turn', 'queued_at'], name='detection_turns'),
        ),
        migrations.AddIndex(
            model_name='detection',
            index=models.Index(condition=models.Q(('status', 'queued')), fields=['queue', 'turn_of', 'turn'], name='detection_turns_of'),
        ),
    ]
