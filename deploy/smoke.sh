#!/usr/bin/env bash
# Starts the appliance as a process, sends it what real clients send (net-snmp,
# util-linux' logger, curl, pd-send), and looks in its history and in the
# sandbox whether each message arrived once, mapped and delivered.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d /tmp/pdaltagent-smoke.XXXXXX)
chmod 755 "$work" # the embedded Postgres runs as a user of its own
base=$((20000 + RANDOM % 20000))
snmp=$base syslog=$((base + 1)) http=$((base + 2)) https=$((base + 3)) admin=$((base + 4)) sandbox=$((base + 5)) tls=$((base + 6))
pid=

finish() {
	status=$?
	if [[ -n $pid ]] && kill -0 "$pid" 2>/dev/null; then
		kill "$pid" && wait "$pid" || true
	fi
	if ((status)); then
		echo "--- log of pdagentd" >&2
		tail -n 40 "$work/log" >&2 || true
	fi
	rm -rf "$work"
	exit "$status"
}
trap finish EXIT

fail() {
	echo "smoke: $*" >&2
	exit 1
}

# eventually WANT COMMAND...: the command prints WANT within ten seconds.
eventually() {
	local want=$1 got=
	shift
	for _ in $(seq 100); do
		got=$("$@") && [[ $got == "$want" ]] && return
		sleep 0.1
	done
	fail "$*: got «$got», want «$want»"
}

sql() { eval "$psql -XAtq -F ' ' -c \"\$1\""; }

# What ingest.fetch runs: an event the first time, nothing after that.
cat >"$work/probe" <<EOF
#!/bin/sh
mkdir "$work/probed" 2>/dev/null || exit 0
echo '{"event_action": "trigger", "dedup_key": "probed", "payload": {"summary": "a probe", "source": "probe", "severity": "info"}}'
EOF
chmod 755 "$work/probe"

cat >"$work/pdagentd.yaml" <<EOF
node: smoke
data_dir: $work/data
rules: [deploy/rules.d]
ingest:
  snmp:
    listen: ["127.0.0.1:$snmp"]
    communities: [public]
    users: [{ name: ops, auth: SHA256, auth_passphrase: authentic, priv: AES128, priv_passphrase: confidential }]
  syslog: { listen: ["udp://127.0.0.1:$syslog", "tcp://127.0.0.1:$syslog", "tls://127.0.0.1:$tls"] }
  http: { listen: ["http://127.0.0.1:$http", "https://127.0.0.1:$https"] }
  fetch: [{ name: probe, every: 5s, command: ["$work/probe"] }]
admin: { listen: "http://127.0.0.1:$admin" }
sandbox: { listen: "127.0.0.1:$sandbox" }
EOF

bin/pdagentd check --config "$work/pdagentd.yaml"

begin() {
	bin/pdagentd run --config "$work/pdagentd.yaml" >"$work/out" 2>>"$work/log" &
	pid=$!
	for _ in $(seq 300); do
		curl -fsS "http://127.0.0.1:$admin/readyz" >/dev/null 2>&1 && break
		kill -0 "$pid" 2>/dev/null || fail "pdagentd has ended"
		sleep 0.1
	done
	curl -fsS "http://127.0.0.1:$admin/readyz" >/dev/null || fail "pdagentd is not ready after 30 s"
	psql=$(sed -n 's/^  history *//p' "$work/out")
}
begin
echo "smoke: ready"

key=0123456789abcdef0123456789abcdef
ifIndex=1.3.6.1.2.1.2.2.1.1 ifAdminStatus=1.3.6.1.2.1.2.2.1.7 ifOperStatus=1.3.6.1.2.1.2.2.1.8

# SNMP: a v2c trap opens, an inform resolves; a v1 trap; a trap that no rule
# knows; one with a wrong community.
snmptrap -v2c -c public "127.0.0.1:$snmp" '' 1.3.6.1.6.3.1.1.5.3 $ifIndex.7 i 7 $ifAdminStatus.7 i 1 $ifOperStatus.7 i 2
eventually 'open 1' sql "SELECT status, occurrences FROM alerts WHERE rule = 'link-down'"
snmpinform -v2c -c public -t 5 -r 0 "127.0.0.1:$snmp" '' 1.3.6.1.6.3.1.1.5.4 $ifIndex.7 i 7 $ifAdminStatus.7 i 1 $ifOperStatus.7 i 1 ||
	fail "the inform was not answered"
eventually 'resolved 1' sql "SELECT status, occurrences FROM alerts WHERE rule = 'link-down'"
snmptrap -v1 -c public "127.0.0.1:$snmp" 1.3.6.1.4.1.8072.3.2.10 192.0.2.9 2 0 '' $ifIndex.9 i 9 $ifAdminStatus.9 i 1 $ifOperStatus.9 i 2
eventually '192.0.2.9' sql "SELECT host(source) FROM events WHERE rule = 'link-down' AND host = '192.0.2.9'"
snmptrap -v2c -c public "127.0.0.1:$snmp" '' 1.3.6.1.4.1.99999.0.1 1.3.6.1.4.1.99999.1.1 s 'hello'
eventually 'info' sql "SELECT severity FROM events WHERE rule = 'unknown-trap'"
v3=(-v3 -u ops -l authPriv -a SHA-256 -x AES -X confidential)
snmpinform "${v3[@]}" -A authentic -t 5 -r 1 "127.0.0.1:$snmp" '' 1.3.6.1.6.3.1.1.5.3 $ifIndex.11 i 11 $ifAdminStatus.11 i 1 $ifOperStatus.11 i 2 ||
	fail "the v3 inform was not answered"
eventually 'v3' sql "SELECT message->>'version' FROM events WHERE dedup_key LIKE 'link-down/%/11'"
! snmpinform "${v3[@]}" -A 'not authentic' -t 1 -r 0 "127.0.0.1:$snmp" '' 1.3.6.1.6.3.1.1.5.1 2>/dev/null || fail "a wrong passphrase was answered"
snmptrap -v2c -c wrong "127.0.0.1:$snmp" '' 1.3.6.1.6.3.1.1.5.1
echo "smoke: snmp"

# syslog: both formats of logger, opened and resolved.
logger --rfc3164 -d -n 127.0.0.1 -P "$syslog" -p local4.err -t '%LINK-3-UPDOWN' 'Interface Gi0/1, changed state to down'
eventually 'open' sql "SELECT status FROM alerts WHERE rule = 'ios-link' AND dedup_key LIKE '%/Gi0/1'"
logger --rfc3164 -d -n 127.0.0.1 -P "$syslog" -p local4.err -t '%LINK-3-UPDOWN' 'Interface Gi0/1, changed state to up'
eventually 'resolved' sql "SELECT status FROM alerts WHERE rule = 'ios-link' AND dedup_key LIKE '%/Gi0/1'"
logger --rfc5424 -d -n 127.0.0.1 -P "$syslog" -p daemon.crit -t raid 'array md0 is degraded'
eventually 'critical raid' sql "SELECT severity, message->>'app_name' FROM events WHERE rule = 'urgent-line'"
logger --rfc5424 -d -n 127.0.0.1 -P "$syslog" -p daemon.info -t cron 'nothing to see'
eventually 'unmatched' sql "SELECT decision FROM events WHERE protocol = 'syslog' AND rule IS NULL"
logger --rfc3164 -T --octet-count -n 127.0.0.1 -P "$syslog" -p local4.err -t '%LINK-3-UPDOWN' 'Interface Gi0/2, changed state to down'
eventually 'open' sql "SELECT status FROM alerts WHERE rule = 'ios-link' AND dedup_key LIKE '%/Gi0/2'"
echo '<187>%LINK-3-UPDOWN: Interface Gi0/3, changed state to down' | openssl s_client -quiet -no_ign_eof -connect "127.0.0.1:$tls" >/dev/null 2>&1 || true
eventually 'open' sql "SELECT status FROM alerts WHERE rule = 'ios-link' AND dedup_key LIKE '%/Gi0/3'"
echo "smoke: syslog"

# HTTP: every path of PagerDuty's, by curl; pd-send over https.
post() { curl -sS -o "$work/answer" -w '%{http_code}' --max-time 10 -d "$2" "http://127.0.0.1:$http$1"; }
expect() {
	local want=$1
	shift
	local got
	got=$(post "$@")
	[[ $got == "$want" ]] || fail "POST $1: $got $(cat "$work/answer"), want $want"
}
expect 202 /v2/enqueue '{"routing_key":"'$key'","event_action":"trigger","dedup_key":"curl-v2","payload":{"summary":"a v2 event","source":"curl","severity":"error"}}'
grep -q '"dedup_key":"curl-v2"' "$work/answer" || fail "no dedup_key in $(cat "$work/answer")"
expect 200 /generic/2010-04-15/create_event.json '{"service_key":"'$key'","event_type":"trigger","incident_key":"curl-v1","description":"a v1 event"}'
expect 202 /v2/change/enqueue '{"routing_key":"'$key'","payload":{"summary":"a change","source":"curl"}}'
expect 202 /x-ere/$key '{"event_action":"trigger","dedup_key":"curl-xere","payload":{"summary":"an x-ere event","source":"curl","severity":"error"}}'
expect 202 /integration/$key/enqueue '{"any":"thing"}'
expect 200 /nagios/2010-04-15/create_event "service_key=$key&event_type=trigger&pd_nagios_object=host&HOSTNAME=web1&HOSTSTATE=DOWN&incident_key=curl-nagios"
expect 400 /v2/enqueue '{"routing_key":"'$key'","event_action":"trigger","payload":{"summary":"x","source":"curl","severity":"purple"}}'
expect 400 /v2/enqueue 'no json'
head -c 600000 /dev/zero | tr '\0' x >"$work/large"
expect 413 /v2/enqueue "@$work/large"
PDSEND_EVENTS_BASE_URL=https://127.0.0.1:$https bin/pd-send -k $key -t trigger -i from-pd-send -d 'sent by pd-send' -s warning >"$work/answer"
grep -qx 'Event processed. Incident Key: from-pd-send' "$work/answer" || fail "pd-send said $(cat "$work/answer")"
PDSEND_EVENTS_BASE_URL=https://127.0.0.1:$https bin/pd-send -k $key -t resolve -i from-pd-send -q
eventually 'resolved' sql "SELECT status FROM alerts WHERE dedup_key = 'from-pd-send'"
echo "smoke: http"

# What a command prints.
eventually 'fetch' sql "SELECT protocol FROM events WHERE dedup_key = 'probed'"
echo "smoke: fetch"

# All that was queued is delivered, each once, in the order of its alert.
eventually '0' sql "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"
eventually '19 19 19' sql "SELECT count(*), count(DISTINCT id), sum(attempts) FROM deliveries"
eventually 'trigger resolve' sql "SELECT string_agg(action, ' ' ORDER BY delivered_at) FROM deliveries WHERE dedup_key LIKE 'link-down/127.0.0.1/7'"
got=$(curl -fsS "http://127.0.0.1:$sandbox/events?limit=100")
for wanted in link-down/127.0.0.1/7 curl-v2 curl-v1 curl-xere curl-nagios from-pd-send 'a change' thing; do
	grep -qF "$wanted" <<<"$got" || fail "the sandbox did not get $wanted: $got"
done
! grep -qF $key <<<"$got" || fail "the sandbox shows a whole key"
! grep -qF $key "$work/log" || fail "the log holds a key"
metrics=$(curl -fsS "http://127.0.0.1:$admin/metrics")
grep -qF 'pdaltagent_messages_total{outcome="refused_community",protocol="snmp"} 1' <<<"$metrics" || fail "the wrong community was not counted"
grep -qF 'pdaltagent_messages_total{outcome="oversize",protocol="http"} 1' <<<"$metrics" || fail "the long body was not counted"
grep -qF 'pdaltagent_messages_total{outcome="malformed",protocol="http"} 2' <<<"$metrics" || fail "the bad events were not counted"
echo "smoke: delivered"

# It stops cleanly, and finds its history again.
kill "$pid" && wait "$pid" || fail "pdagentd did not stop cleanly"
began=$(date +%s%N)
begin
took=$((($(date +%s%N) - began) / 1000000))
((took < 5000)) || fail "ready after $took ms"
eventually '19' sql "SELECT count(*) FROM deliveries"
echo "smoke: ready again after $took ms"

# What gear.md has people type on their devices.
. deploy/gear.sh
echo "smoke: ok"
