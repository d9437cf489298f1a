"""Images on legal hold, and images whose content is gone."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('detection', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='image',
            name='erased_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='erased'),
        ),
        migrations.AddField(
            model_name='image',
            name='held_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='on legal hold since'),
        ),
        migrations.AddField(
            model_name='image',
            name='hold_reason',
            field=models.CharField(blank=True, max_length=500),
        ),
        migrations.AddIndex(
            model_name='image',
            index=models.Index(condition=models.Q(('erased_at', None)), fields=['created_at'], name='image_kept_longest'),
        ),
        migrations.AddConstraint(
            model_name='image',
            constraint=models.CheckConstraint(condition=models.Q(('erased_at', None), ('held_at', None), _connector='OR'), name='held_images_are_not_erased'),
        ),
    ]
