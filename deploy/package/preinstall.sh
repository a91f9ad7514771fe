#!/bin/sh
# The user that files of the package belong to, before they are unpacked.
set -e
getent group pdaltagent >/dev/null || groupadd --system pdaltagent
getent passwd pdaltagent >/dev/null ||
	useradd --system --gid pdaltagent --home-dir /var/lib/pdaltagent --no-create-home \
		--shell /usr/sbin/nologin --comment PDaltagent pdaltagent
