# shellcheck shell=bash disable=SC2154
# Sourced by smoke.sh, whose appliance runs: takes the snippets out of gear.md,
# puts this appliance's address and ports in, runs the programs that they are
# for, and looks in the history for what these sent. Each runs in the
# foreground, under $work, with a configuration and pid file of its own.
gear=$work/gear
mkdir "$gear"
cert=$work/data/tls/selfsigned.crt
gearpid=
endgear() {
	local status=$?
	set +e
	if [[ -n $gearpid ]]; then
		kill "$gearpid" 2>/dev/null
		echo "--- log of the program" >&2
		tail -n 20 "$gear/log" >&2
	fi
	(exit $status)
	finish
}
trap endgear EXIT

# snippet NAME: the fenced text of gear.md that has this name.
snippet() {
	echo "$1" >>"$gear/taken"
	awk -v name="$1" '/^```/ { inside = $2 == name; next } inside' deploy/gear.md | sed \
		-e "s/port=\"514\"/port=\"$syslog\"/; s/port=\"6514\"/port=\"$tls\"/; s/port(6514)/port($tls)/" \
		-e "s/appliance.example.net:162/127.0.0.1:$snmp/; s/appliance.example.net:8080/127.0.0.1:$http/; s/appliance.example.net:8443/127.0.0.1:$https/" \
		-e "s/PermittedPeers=\"appliance.example.net\"/PermittedPeers=\"localhost\"/; s/appliance.example.net/127.0.0.1/" \
		-e "s#/etc/ssl/pdaltagent.crt#$cert#" >"$gear/$1"
	[[ -s $gear/$1 ]] || fail "gear.md has no snippet $1"
}

# during PROGRAM... -- COMMAND...: runs the command while the program runs.
during() {
	local program=()
	while [[ $1 != -- ]]; do program+=("$1") && shift; done
	shift
	"${program[@]}" >"$gear/log" 2>&1 &
	gearpid=$!
	"$@"
	kill "$gearpid" && wait "$gearpid" || true
	gearpid=
}

arrived() { eventually 1 sql "SELECT count(*) FROM events WHERE rule = 'urgent-line' AND message->>'app_name' = '$1' AND summary LIKE '%$2'"; }

# logs SOCKET TAG: a line, once the daemon has its socket.
logs() {
	for _ in $(seq 100); do [[ -S $1 ]] && break || sleep 0.1; done
	logger -u "$1" -p daemon.crit -t "$2" 'array md0 is degraded'
	shift
	"${@:2}"
}

# rsyslog NAME COMMAND...: logs a line through rsyslogd, under the tag NAME.
rsyslog() {
	local name=$1
	shift
	[[ -f $gear/$name ]] || snippet "$name"
	mkdir -p "$gear/spool-$name"
	cat >"$gear/rsyslog.conf" <<-CONF
		global(workDirectory="$gear/spool-$name")
		module(load="imuxsock" SysSock.Use="off")
		input(type="imuxsock" Socket="$gear/$name.sock")
		include(file="$gear/$name")
	CONF
	rsyslogd -N1 -f "$gear/rsyslog.conf" >"$gear/log" 2>&1 || { cat "$gear/log" >&2 && fail "rsyslogd does not take $name"; }
	during rsyslogd -n -f "$gear/rsyslog.conf" -i "$gear/$name.pid" -- logs "$gear/$name.sock" "$@"
}
rsyslog rsyslog-udp by-udp arrived by-udp 'md0 is degraded'
rsyslog rsyslog-tcp by-tcp arrived by-tcp 'md0 is degraded'
rsyslog rsyslog-tls by-tls arrived by-tls 'md0 is degraded'

# What is logged while the appliance is away outlives rsyslogd, too.
kill "$pid" && wait "$pid"
rsyslog rsyslog-tls by-queue sleep 0.5
begin
during rsyslogd -n -f "$gear/rsyslog.conf" -i "$gear/rsyslog-tls.pid" -- arrived by-queue 'md0 is degraded'
echo "smoke: gear: rsyslog"

# Debian installs rsyslog or syslog-ng: the second one is unpacked (.ci/run).
snippet syslog-ng
ng=/opt/syslog-ng
if [[ -x $ng/usr/sbin/syslog-ng ]]; then
	export LD_LIBRARY_PATH=$ng/usr/lib/syslog-ng:$(echo {$ng/usr,$ng}/lib/*-linux-gnu | tr " " :)
	cat >"$gear/syslog-ng.conf" <<-CONF
		@version: $($ng/usr/sbin/syslog-ng --version | sed -n 's/^Config version: *//p')
		source s_src { unix-dgram("$gear/ng.sock"); };
		@include "$gear/syslog-ng"
	CONF
	during $ng/usr/sbin/syslog-ng -Fe --no-caps --module-path="$(echo $ng/usr/lib/syslog-ng/[0-9]*)" -f "$gear/syslog-ng.conf" \
		-p "$gear/ng.pid" -c "$gear/ng.ctl" -R "$gear/ng.persist" -- logs "$gear/ng.sock" by-ng arrived by-ng 'md0 is degraded'
	unset LD_LIBRARY_PATH
	echo "smoke: gear: syslog-ng"
else
	echo "smoke: gear: syslog-ng is not here: left out"
fi

# agent NAME... -- COMMAND...: runs the command while an snmpd with these
# snippets runs.
agent() {
	echo 'rocommunity other 127.0.0.1' >"$gear/snmpd.conf"
	while [[ $1 != -- ]]; do
		snippet "$1"
		sed "s/AUTH-PASSPHRASE/authentic/; s/PRIV-PASSPHRASE/confidential/; s/^disk .*/disk \/ 100%/" "$gear/$1" >>"$gear/snmpd.conf"
		shift
	done
	SNMP_PERSISTENT_DIR=$gear/snmpd during snmpd -f -Lo -C -c "$gear/snmpd.conf" -p "$gear/snmpd.pid" "udp:127.0.0.1:$agent" "$@"
}
agent=$((base + 7))
trap1() { sql "SELECT count(*) > 0 FROM events WHERE protocol = 'snmp' AND received_at > '$began' AND $1"; }
refused() {
	eventually t trap1 "rule = 'restarted' AND message->>'version' = 'v2c'"
	! snmpget -v2c -c wrong -t 0.2 -r 0 "127.0.0.1:$agent" 1.3.6.1.2.1.1.3.0 >/dev/null 2>&1 || fail 'snmpd answers a wrong community'
	eventually t trap1 "rule = 'authentication-failure'"
}
began=$(sql 'SELECT now()')
agent snmpd-v2c -- refused
agent snmpd-v3 -- eventually t trap1 "rule = 'restarted' AND message->>'version' = 'v3' AND message->>'inform' = 'true'"
agent snmpd-v2c snmpd-monitor -- eventually t trap1 "rule = 'monitor-fired' AND summary LIKE '%/: less than 100%% free%'"
echo "smoke: gear: snmpd"

# Alertmanager, told of an alert as Prometheus tells it.
snippet alertmanager
alert() {
	local to="http://127.0.0.1:$((base + 8))/api/v2/alerts"
	for _ in $(seq 100); do
		curl -fsS -H 'Content-Type: application/json' -d '[{"labels":{"alertname":"HostDown","instance":"web1:9100","severity":"critical"}}]' "$to" 2>/dev/null && break
		sleep 0.1
	done
	eventually 'critical' sql "SELECT severity FROM events WHERE rule = 'alertmanager' AND summary = 'HostDown'"
}
during prometheus-alertmanager --config.file="$gear/alertmanager" --storage.path="$gear/alerts" --cluster.listen-address= \
	--web.listen-address="127.0.0.1:$((base + 8))" --log.level=error -- alert
echo "smoke: gear: alertmanager"

# The commands of Nagios, Zabbix and Sensu, as those run them.
export PATH=$PWD/bin:$PATH
snippet pd-nagios
nagios() {
	sed -n 's/^ *command_line *//p' "$gear/pd-nagios" | sed \
		-e "s/\\\$NOTIFICATIONTYPE\\\$/$1/; s/\\\$CONTACTPAGER\\\$/$key/; s/\\\$HOSTNAME\\\$/web 1/; s/\\\$SERVICEDESC\\\$/disk/; s/\\\$HOSTSTATE\\\$/$2/; s/\\\$SERVICESTATE\\\$/$2/" \
		-e 's/\$[A-Z]*\$/98% used; see $0/' >"$gear/commands"
	[[ $(wc -l <"$gear/commands") == 2 ]] || fail 'gear.md does not have two commands for Nagios'
	sh "$gear/commands" >/dev/null
}
nagios PROBLEM CRITICAL
nagios RECOVERY OK
eventually 'resolved resolved' sql "SELECT string_agg(status, ' ') FROM alerts WHERE dedup_key IN ('event_source=host;host_name=web 1', 'event_source=service;host_name=web 1;service_desc=disk')"
snippet pd-zabbix
sh "$gear/pd-zabbix"
eventually 'open' sql "SELECT status FROM alerts WHERE dedup_key = '13502-db1'"
snippet pd-sensu
echo '{"action":"create","client":{"name":"web1"},"check":{"name":"disk","output":"98% used","status":2}}' |
	sh -c "$(sed -n 's/^ *"command": "\(.*\)"$/\1/p' "$gear/pd-sensu")"
eventually 'open' sql "SELECT status FROM alerts WHERE dedup_key = 'web1/disk'"
echo "smoke: gear: nagios, zabbix, sensu"

# The queue of a PagerDuty Agent: in order, and a second time nothing.
mkdir -p "$gear/outqueue"/{pdq,tmp,suc,err}
n=0
for type in trigger acknowledge resolve; do
	n=$((n + 1))
	echo '{"agent":{"queued_by":"pd-send"},"description":"from a queue","details":{},"event_type":"'$type'","incident_key":"queued","service_key":"'$key'"}' \
		>"$gear/outqueue/pdq/170000000000000${n}_$key.txt"
done
for handed in 3 0; do
	PDSEND_EVENTS_BASE_URL=http://127.0.0.1:$http bin/pdagentd import pdagent "$gear/outqueue" >"$work/answer"
	grep -q "^$handed events handed" "$work/answer" || fail "the import said $(cat "$work/answer")"
done
eventually 'trigger acknowledge resolve' sql "SELECT string_agg(action, ' ' ORDER BY received_at, id) FROM events WHERE dedup_key = 'queued'"
echo "smoke: gear: import"

# All that gear.md says is tested was run here.
diff <(sort -u "$gear/taken") <(sed -n 's/^```[a-z]* \([a-z0-9-]*\)$/\1/p' deploy/gear.md | grep -E '^(rsyslog|syslog-ng|snmpd|alertmanager|pd-)' | sort) ||
	fail 'gear.md has snippets that are not tested, or the other way round'
