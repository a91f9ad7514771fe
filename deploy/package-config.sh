#!/bin/sh
# Prints the configuration that the packages install: deploy/pdagentd.example.yaml
# with the ports and folders of a machine that does nothing else. A line that is
# to be replaced and is not there is an error.
set -eu
cd "$(dirname "$0")"
text=$(cat pdagentd.example.yaml)

# replace OLD NEW: the one line that begins with OLD.
replace() {
	text=$(printf '%s\n' "$text" | awk -v old="$1" -v new="$2" '
		index($0, old) == 1 { $0 = new substr($0, length(old) + 1); n++ }
		{ print }
		END { exit n != 1 }') || {
		echo "package-config: pdagentd.example.yaml has not one line that begins with: $1" >&2
		exit 1
	}
}
replace '# without it, but for rules, whose default is /etc/pdaltagent/rules.d where that' '# without it, but for data_dir, and for the ports of traps and syslog: 9162 and'
replace '# exists. What' '# 5514. What'
replace 'rules: [deploy/rules.d]                 #' 'rules: [/etc/pdaltagent/rules.d]        #'
replace '#data_dir: /var/lib/pdaltagent          # default: that as root, else ~/.local/share/pdaltagent' 'data_dir: /var/lib/pdaltagent           # of the user that the service runs as'
replace '    listen: [":9162"]                   # UDP; 162 needs root or CAP_NET_BIND_SERVICE' '    listen: [":162"]                    # UDP; the service may bind ports below 1024'
replace '    listen: ["udp://:5514", "tcp://:5514", "tls://:6514"]' '    listen: ["udp://:514", "tcp://:514", "tls://:6514"]'
printf '%s\n' "$text"
