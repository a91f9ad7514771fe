#!/bin/sh
# Makes the passwords and tokens of compose.yaml that are not there yet, each a
# file in the folder secrets beside this script, or in the folder that is named.
# Containers see each file as it is, with its owner: they may all be read, but
# the folder is yours alone.
set -eu
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"

make() { # make NAME: reads the secret
	if [ -s "$1" ] || [ "$1" = noc_key ] && [ -e "$1" ]; then
		cat >/dev/null
		return
	fi
	cat >"$1"
	chmod 444 "$1"
	echo "made $folder/$1"
}
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

random | make db_password
printf 'postgres:5432:pdaltagent:pdaltagent:%s\n' "$(cat db_password)" | make pgpass
random | make admin_token
random | make grafana_admin_password
random | make grafana_db_password
make noc_key </dev/null # yours: the integration key
chmod 644 noc_key
