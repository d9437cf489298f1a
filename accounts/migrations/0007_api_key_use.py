"""Which networks a key came from today."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_rate_windows'),
    ]

    operations = [
        migrations.CreateModel(
            name='ApiKeyUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('network', models.CharField(blank=True, max_length=43)),
                ('day', models.DateField()),
                ('key', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='uses', to='accounts.apikey')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('key', 'network', 'day'), name='api_key_use_once')],
            },
        ),
    ]
