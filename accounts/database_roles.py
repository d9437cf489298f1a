"""What the application's role may do on PostgreSQL, where another role owns everything.

The owner makes tables, triggers and grants; the application owns nothing. It may read and append
audit events and never change one, neither by a statement nor by taking the triggers away.
"""

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

READ, APPEND, CHANGE = "SELECT", "SELECT, INSERT", "SELECT, UPDATE"
EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"
NARROWED = {
    "accounts_auditevent": APPEND,
    "accounts_auditchain": CHANGE,  # its rows are the migration's; their heads move
    "django_migrations": READ,
}
UNFIT = """
SELECT rolsuper OR rolcreaterole OR rolbypassrls OR pg_has_role(rolname, current_user, 'MEMBER')
FROM pg_roles WHERE rolname = %s
"""
# The owner of the database is the owner of its schema too, and may drop any table in it.
OWNED = """
SELECT (SELECT count(*) FROM pg_class WHERE relowner = r.oid AND relnamespace = s.oid)
     + (SELECT count(*) FROM pg_proc WHERE proowner = r.oid AND pronamespace = s.oid)
     + (s.nspowner = r.oid)::int
     + (SELECT count(*) FROM pg_database WHERE datname = current_database() AND datdba = r.oid)
FROM pg_roles r, pg_namespace s WHERE r.rolname = %s AND s.nspname = 'public'
"""


class UnfitRole(Exception):  # noqa: N818 (it names what is wrong with the role)
    """The application's role does not exist, or has more rights than can be taken from it."""


def grant(owner: BaseDatabaseWrapper, role: str) -> None:
    """Give the application's role what it needs in the owner's database, and take all else.

    In one transaction: a desk that runs meanwhile never misses a right between the two.

    Args:
        owner: a connection as the role that owns the tables.
        role: the name of the application's role.
    Raises:
        UnfitRole: nothing was granted.
    """
    quoted = owner.ops.quote_name(role)
    with transaction.atomic(using=owner.alias), owner.cursor() as cursor:
        _refuse_unfit(cursor, role)
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        cursor.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        cursor.execute(f"REVOKE ALL ON SCHEMA public FROM {quoted}")
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {quoted}")
        for table in sorted(tables):
            name = owner.ops.quote_name(table)
            cursor.execute(f"REVOKE ALL ON {name} FROM PUBLIC, {quoted}")
            cursor.execute(f"GRANT {NARROWED.get(table, EVERYTHING)} ON {name} TO {quoted}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {quoted}")


def _refuse_unfit(cursor: CursorWrapper, role: str) -> None:
    cursor.execute(UNFIT, [role])
    found = cursor.fetchone()
    if found is None:
        raise UnfitRole(f"The role {role!r} of DATABASE_URL does not exist.")
    if found[0]:
        raise UnfitRole(
            f"The role {role!r} of DATABASE_URL may do whatever the owner may; make one that is "
            "neither a superuser nor a member of another role."
        )
    cursor.execute(OWNED, [role])
    if owned := cursor.fetchone()[0]:
        raise UnfitRole(
            f"The role {role!r} of DATABASE_URL owns {owned} things: the database, its schema, "
            "tables, sequences or functions. As a superuser: "
            f"REASSIGN OWNED BY {role} TO the owner's role."
        )
