#!/bin/sh
# Runs once, when the database is empty. The server must not connect as a superuser: row-level
# security, the second lock between tenants, doesn't hold for one.
set -eu
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  -v password="$(cat "${SECRETS:-/etc/postgres-secrets}/password")" <<'EOF'
CREATE ROLE tokenhouse LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE tokenhouse OWNER tokenhouse;
EOF
