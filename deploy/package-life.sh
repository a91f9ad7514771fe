#!/bin/bash
# The life of the package in a root that is thrown away afterwards: installed,
# used, upgraded, removed, purged. package-life.sh OLD.deb NEW.deb [EVENTS]
#
# Where Postgres' programs, curl, snmptrap and psql are there, the appliance is
# started as the unit starts it, and EVENTS (200) that wait for PagerDuty go
# through the upgrade.
set -euo pipefail

old=$1 new=$2 events=${3:-200}
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
config=/etc/pdaltagent/pdagentd.yaml
pid=

if [[ ! -e /throw-away ]]; then
	echo "package-life: this installs and purges; it runs only in a root with a file /throw-away" >&2
	exit 1
fi
fail() {
	echo "package-life: $*" >&2
	tail -n 5 /tmp/log >&2 2>/dev/null || true
	exit 1
}
say() { echo "package-life: $*"; }
trap '[[ -z $pid ]] || kill "$pid" 2>/dev/null' EXIT

# is WANT COMMAND...: the command prints it.
is() {
	local want=$1 got
	shift
	got=$("$@") || fail "$* failed: $got"
	[[ $got == "$want" ]] || fail "$*: got «$got», want «$want»"
}

# eventually WANT COMMAND...: it does within 60 seconds.
eventually() {
	local want=$1 got=
	shift
	for _ in $(seq 600); do
		got=$("$@" 2>/dev/null) && [[ $got == "$want" ]] && return
		sleep 0.1
	done
	fail "$*: got «$got», want «$want»"
}

sql() { psql -h /var/lib/pdaltagent/postgres -U pdaltagent -XAtq -F ' ' -c "$1" pdaltagent; }

# start runs what the unit runs, as its user and with its capability.
start() {
	local command
	command=$(sed -n 's/^ExecStart=//p' /lib/systemd/system/pdagentd.service)
	(cd / && umask 077 && exec setpriv --reuid=pdaltagent --regid=pdaltagent --init-groups --no-new-privs --bounding-set=-all,+net_bind_service \
		--inh-caps=+net_bind_service --ambient-caps=+net_bind_service env -i PATH=/usr/bin:/bin $command >/tmp/out 2>>/tmp/log) &
	pid=$!
	for _ in $(seq 300); do
		curl -fsS http://127.0.0.1:8081/readyz >/dev/null 2>&1 && return
		kill -0 "$pid" 2>/dev/null || fail "pdagentd has ended"
		sleep 0.1
	done
	fail "pdagentd is not ready after 30 s"
}

stop() {
	kill "$pid" && wait "$pid" || fail "pdagentd did not stop cleanly"
	pid=
}

# traces lists what on the disk is the package's by its name.
traces() { find /etc /lib /opt /run /usr /var -xdev '(' -name '*pdaltagent*' -o -name '*pdagentd*' ')' | sort; }
before=$(traces)

usable=yes
for program in curl snmptrap psql; do
	command -v $program >/dev/null || usable=
done
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || usable=

# Installed.
dpkg -i "$old" >/tmp/dpkg.log 2>&1 || fail "dpkg -i: $(cat /tmp/dpkg.log)"
grep -q 'no .*systemd\|Failed\|rror' /tmp/dpkg.log && fail "dpkg -i: $(cat /tmp/dpkg.log)"
is 'root pdaltagent 640' stat -c '%U %G %a' $config
is 'root pdaltagent 750' stat -c '%U %G %a' /etc/pdaltagent
is 'pdaltagent pdaltagent 750' stat -c '%U %G %a' /var/lib/pdaltagent
is /usr/sbin/nologin bash -c 'getent passwd pdaltagent | cut -d: -f7'
user=$(id -u pdaltagent)
((user < 1000)) || fail "pdaltagent is no system user: $user"
pdagentd check >/tmp/check 2>&1 || fail "check: $(cat /tmp/check)"
for page in pdagentd.1 pd-send.1 pd-queue.1 pd-nagios.1 pd-sensu.1 pd-zabbix.1 pdaltagent-rules.5; do
	dpkg -L pdaltagent | grep -qx "/usr/share/man/man${page##*.}/$page.gz" || fail "no manual page $page"
done
if command -v deb-systemd-helper >/dev/null; then
	[[ -L /etc/systemd/system/multi-user.target.wants/pdagentd.service ]] || fail "the service is not enabled"
fi
say "installed $(dpkg-deb -f "$old" Version)"

# Used, with one key edited and a rule and a key file added.
sed -i 's/^  keep: 90d /  keep: 30d /' $config
echo 'rules: []' >/etc/pdaltagent/rules.d/95-ours.yaml
if [[ $usable ]]; then
	start
	snmptrap -v2c -c public 127.0.0.1 '' 1.3.6.1.6.3.1.1.5.3 1.3.6.1.2.1.2.2.1.1.7 i 7 1.3.6.1.2.1.2.2.1.7.7 i 1 1.3.6.1.2.1.2.2.1.8.7 i 2
	eventually 'link-down delivered 202' sql "SELECT e.rule, d.state, d.last_status FROM events e JOIN deliveries d ON d.id = e.delivery_id"
	curl -fsS 'http://127.0.0.1:8082/events' | grep -q 'link-down/127.0.0.1/7' || fail "the sandbox got no page"
	PDSEND_EVENTS_BASE_URL=http://127.0.0.1:8080 pd-send -k 00000000000000000000000000000000 -t trigger -i disk-7 -d 'disk 7 is full' -q
	echo '<187>%LINK-3-UPDOWN: Interface Gi0/1, changed state to down' >/dev/udp/127.0.0.1/514
	eventually 1 sql "SELECT count(*) FROM deliveries WHERE dedup_key LIKE 'ios-link/%' AND state = 'delivered'"
	echo '<187>%LINK-3-UPDOWN: Interface Gi0/2, changed state to down' >/dev/tcp/127.0.0.1/514
	eventually 2 sql "SELECT count(*) FROM deliveries WHERE dedup_key LIKE 'ios-link/%' AND state = 'delivered'"
	for port in 6514 8443; do
		: >/dev/tcp/127.0.0.1/$port || fail "nobody listens on $port"
	done
	is pdaltagent stat -c %U "$(ls -d /proc/"$(head -1 /var/lib/pdaltagent/postgres/postmaster.pid)")"
	say "a trap, two lines and an event are delivered; psql shows them"

	# PagerDuty is down when much comes, and the upgrade with it.
	curl -fsS -X PUT http://127.0.0.1:8082/behavior -d '{"status":503}' >/dev/null
	awk -v n="$events" 'BEGIN { for (i = 1; i <= n; i++) { if (i > 1) print "next"
		print "url = \"http://127.0.0.1:8080/v2/enqueue\"\noutput = \"/dev/null\"\nfail\nsilent\nshow-error"
		printf "data = \"{\\\"routing_key\\\":\\\"00000000000000000000000000000000\\\",\\\"event_action\\\":\\\"trigger\\\",\\\"dedup_key\\\":\\\"wait-%d\\\",\\\"payload\\\":{\\\"summary\\\":\\\"s\\\",\\\"source\\\":\\\"h\\\",\\\"severity\\\":\\\"info\\\"}}\"\n", i } }' >/tmp/posts
	curl --no-progress-meter --parallel --parallel-max 32 -K /tmp/posts || fail "posting $events events"
	is "$events" sql "SELECT count(*) FROM deliveries WHERE dedup_key LIKE 'wait-%' AND state IN ('held', 'queued')"
	say "$events deliveries wait"
	stop
fi

# Upgraded, over an edited configuration and data.
dpkg --force-confdef --force-confold -i "$new" >/tmp/dpkg.log 2>&1 || fail "upgrade: $(cat /tmp/dpkg.log)"
is "$(dpkg-deb -f "$new" Version)" dpkg-query -W -f '${Version}' pdaltagent
is "pdagentd $(dpkg-deb -f "$new" Version)" bash -c "pdagentd version | sed '1!d; s/-/~/'"
grep -q '^  keep: 30d ' $config || fail "the upgrade has lost an edit"
[[ -e /etc/pdaltagent/rules.d/95-ours.yaml ]] || fail "the upgrade has lost a rule file"
is 'root pdaltagent 640' stat -c '%U %G %a' $config
is "$user" id -u pdaltagent
if [[ $usable ]]; then
	start
	eventually "$events $events delivered" sql "SELECT count(*), count(DISTINCT dedup_key), max(state) FROM deliveries WHERE dedup_key LIKE 'wait-%' AND state = 'delivered'"
	is 0 sql "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"
	say "upgraded to $(dpkg-deb -f "$new" Version): all $events are delivered"
	stop
else
	say "upgraded to $(dpkg-deb -f "$new" Version); no Postgres, curl, snmptrap or psql is here to run it with"
fi

# Removed: what is the user's stays, and an installation finds it again.
dpkg -r pdaltagent >/tmp/dpkg.log 2>&1 || fail "remove: $(cat /tmp/dpkg.log)"
grep -q 'kept: /etc/pdaltagent' /tmp/dpkg.log || fail "remove does not say what it keeps: $(cat /tmp/dpkg.log)"
[[ ! -e /usr/bin/pdagentd ]] || fail "pdagentd is still there"
grep -q '^  keep: 30d ' $config || fail "remove has lost the configuration"
[[ ! $usable || -e /var/lib/pdaltagent/postgres/PG_VERSION ]] || fail "remove has lost the data"
dpkg --force-confdef --force-confold -i "$new" >/tmp/dpkg.log 2>&1 || fail "installed again: $(cat /tmp/dpkg.log)"
grep -q '^  keep: 30d ' $config || fail "to install it again has lost the configuration"

# Purged: nothing stays but what it says.
dpkg -P pdaltagent >/tmp/dpkg.log 2>&1 || fail "purge: $(cat /tmp/dpkg.log)"
grep -q 'removed /etc/pdaltagent and /var/lib/pdaltagent; kept: the user' /tmp/dpkg.log || fail "purge does not say what it does: $(cat /tmp/dpkg.log)"
is "$before" traces
is "$user" id -u pdaltagent
say "removed, and purged: nothing is left but the user"
