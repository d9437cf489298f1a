"""Every event from here on carries a MAC; where older ones end is itself such an event."""

import datetime

from django.db import migrations, models

from accounts.append_only import CREATE, DROP
from accounts.audit_key import mac_key, mac_of
from accounts.models.audit_event import HASHED_COLUMNS, canonical, hash_of


def create_triggers(apps, schema_editor):
    for statement in CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


def drop_triggers(apps, schema_editor):
    """SQLite copies the table to add a column, and the triggers stay with the old one."""
    for statement in DROP[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


def record_where_older_events_end(apps, schema_editor):
    alias = schema_editor.connection.alias
    chains = apps.get_model("accounts", "AuditChain").objects.using(alias)
    ends = {str(row.number): row.seq for row in chains.filter(seq__gt=0).order_by("number")}
    if not ends:
        return
    head = chains.get(number=0)
    values = {
        "chain": 0,
        "seq": head.seq + 1,
        "prev_hash": head.head,
        "at": datetime.datetime.now(datetime.UTC),
        "action": "audit.keyed",
        "actor_id": None,
        "actor_role": "",
        "key_prefix": "",
        "target_type": "auditchain",
        "target_id": "0",
        "target_sha256": "",
        "change": canonical({"before": {}, "after": {"older": ends}}),
        "request_id": "",
        "detail_commitment": "",
    }
    own_hash = hash_of([values[name] for name in HASHED_COLUMNS])
    events = apps.get_model("accounts", "AuditEvent").objects.using(alias)
    events.create(**values, hash=own_hash, mac=mac_of(mac_key(), own_hash))
    chains.filter(number=0).update(seq=head.seq + 1, head=own_hash)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_preferences")]
    operations = [
        migrations.RunPython(drop_triggers, create_triggers),
        migrations.AddField(
            model_name="auditevent",
            name="mac",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.RunPython(create_triggers, drop_triggers),
        migrations.RunPython(record_where_older_events_end, migrations.RunPython.noop),
    ]
