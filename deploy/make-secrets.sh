#!/bin/sh
# Writes the secrets of a Compose installation once: deploy/secrets/ and .env. Keeps what is there.
#   deploy/make-secrets.sh https://unmask.example.org [administrator@example.org]
set -eu

[ $# -ge 1 ] || { echo "usage: $0 ORIGIN [ADMIN_EMAIL]" >&2; exit 2; }
cd "$(dirname "$0")"

random() { # 48 letters and digits
	LC_ALL=C tr -dc 'A-Za-z0-9' < /dev/urandom | head -c "${1:-48}"
}

# The folder keeps others out; the files are readable because the container's user is another one.
mkdir -p secrets
chmod 700 secrets
umask 022
[ -s secrets/secret_key ] || random 64 > secrets/secret_key
[ -s secrets/database_password ] || random > secrets/database_password
[ -s secrets/database_app_password ] || random > secrets/database_app_password
printf 'postgres://unmask:%s@database:5432/unmask' "$(cat secrets/database_password)" \
	> secrets/database_owner_url
printf 'postgres://unmask_app:%s@database:5432/unmask' "$(cat secrets/database_app_password)" \
	> secrets/database_url

if [ -e ../.env ]; then
	echo "kept .env; it must set UNMASK_ORIGIN=$1"
else
	printf 'UNMASK_ORIGIN=%s\nUNMASK_ADMIN_EMAIL=%s\n' "$1" "${2:-}" > ../.env
fi
echo "secrets are in deploy/secrets; back them up, without secret_key nobody stays signed in"
