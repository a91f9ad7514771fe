#!/bin/sh
# Run by Postgres' image once, when the database is made: the role that may
# read the history, and Grafana's user, who is one of those.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$(cat /run/secrets/grafana_db_password)" \
	--username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE pdaltagent_read NOLOGIN;
CREATE ROLE grafana LOGIN PASSWORD :'password' IN ROLE pdaltagent_read;
SQL
