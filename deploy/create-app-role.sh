#!/bin/sh
# Makes the role that the application uses, which owns nothing; `manage.py prepare_database` grants
# it what it needs. PostgreSQL's image runs this once, on a new volume; on one from an earlier
# release:
#   docker compose exec database sh /docker-entrypoint-initdb.d/create-app-role.sh
set -eu

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
	--set password="$(cat /run/secrets/database_app_password)" <<'SQL'
SELECT 'CREATE ROLE unmask_app' WHERE NOT EXISTS
	(SELECT FROM pg_roles WHERE rolname = 'unmask_app') \gexec
ALTER ROLE unmask_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD :'password';
SQL
