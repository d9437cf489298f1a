"""The audit trail's chains and its triggers, and the table of the shared cache."""

from django.core.management import call_command
from django.db import migrations

from accounts.append_only import CREATE, DROP


def create_chains(apps, schema_editor):
    chain = apps.get_model("accounts", "AuditChain").objects.using(schema_editor.connection.alias)
    chain.bulk_create(chain.model(number=number) for number in range(17))


def create_triggers(apps, schema_editor):
    for statement in CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


def drop_triggers(apps, schema_editor):
    for statement in DROP[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


def create_cache_table(apps, schema_editor):
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [
        migrations.RunPython(create_chains, migrations.RunPython.noop),
        migrations.RunPython(create_triggers, drop_triggers),
        migrations.RunPython(create_cache_table, migrations.RunPython.noop),
    ]
