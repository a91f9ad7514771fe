#!/bin/bash
# The life of the .rpm in a root that is thrown away afterwards: installed,
# upgraded over an edited configuration, removed, installed again.
# package-life-rpm.sh OLD.rpm NEW.rpm
#
# The root may be Debian's: what the package needs is then there by another
# name, and not asked for.
set -euo pipefail

old=$1 new=$2
export LC_ALL=C
config=/etc/pdaltagent/pdagentd.yaml

if [[ ! -e /throw-away ]]; then
	echo "package-life-rpm: this installs and removes; it runs only in a root with a file /throw-away" >&2
	exit 1
fi
fail() {
	echo "package-life-rpm: $*" >&2
	exit 1
}
say() { echo "package-life-rpm: $*"; }

# is WANT COMMAND...: the command prints it.
is() {
	local want=$1 got
	shift
	got=$("$@") || fail "$* failed: $got"
	[[ $got == "$want" ]] || fail "$*: got «$got», want «$want»"
}

# of OPTION...: rpm with a database of its own; what it says is in /tmp/rpm.log.
of() { rpm --dbpath /tmp/rpmdb --nodeps "$@" >/tmp/rpm.log 2>&1 || fail "rpm $*: $(cat /tmp/rpm.log)"; }

# traces lists what on the disk is the package's by its name.
traces() { find /etc /opt /usr /var -xdev '(' -name '*pdaltagent*' -o -name '*pdagentd*' ')' | sort; }
before=$(traces)
rpm --dbpath /tmp/rpmdb --initdb

# Installed.
of -i "$old"
grep -q 'error' /tmp/rpm.log && fail "rpm -i: $(cat /tmp/rpm.log)"
is 'root pdaltagent 640' stat -c '%U %G %a' $config
is 'root pdaltagent 750' stat -c '%U %G %a' /etc/pdaltagent
is 'root root 755' stat -c '%U %G %a' /etc/pdaltagent/mibs
is 'pdaltagent pdaltagent 750' stat -c '%U %G %a' /var/lib/pdaltagent
is /usr/sbin/nologin bash -c 'getent passwd pdaltagent | cut -d: -f7'
user=$(id -u pdaltagent)
((user < 1000)) || fail "pdaltagent is no system user: $user"
is '' rpm --dbpath /tmp/rpmdb -V --nodeps pdaltagent
pdagentd check >/tmp/check 2>&1 || fail "check: $(cat /tmp/check)"
say "installed"

# Upgraded, over an edited configuration, an edited pack, and files of ours.
sed -i 's/^  keep: 90d /  keep: 30d /' $config
echo '# Edited.' >>/etc/pdaltagent/rules.d/40-webhooks.yaml
echo 'rules: []' >/etc/pdaltagent/rules.d/95-ours.yaml
echo 0123456789abcdef0123456789abcdef >/etc/pdaltagent/noc.key
echo kept >/var/lib/pdaltagent/data
of -U "$new"
grep -q '^  keep: 30d ' $config || fail "the upgrade has lost an edit"
[[ -e $config.rpmnew ]] || fail "the new default is not beside the configuration: $(cat /tmp/rpm.log)"
grep -qx '# Edited.' /etc/pdaltagent/rules.d/40-webhooks.yaml || fail "the upgrade has lost an edit of a pack"
is 'root pdaltagent 640' stat -c '%U %G %a' $config
is "$user" id -u pdaltagent
say "upgraded: edits are kept, and the new default is beside them"

# Removed: what is the user's stays, what was changed under the name that
# deploy/README.md gives.
of -e pdaltagent
grep -q 'kept: .*rpmsave.*/var/lib/pdaltagent' /tmp/rpm.log || fail "remove does not say what it keeps: $(cat /tmp/rpm.log)"
grep -q '^  keep: 30d ' $config.rpmsave || fail "remove has lost the configuration"
for file in rules.d/95-ours.yaml rules.d/40-webhooks.yaml.rpmsave noc.key; do
	[[ -e /etc/pdaltagent/$file ]] || fail "remove has lost $file"
done
is kept cat /var/lib/pdaltagent/data
left=$(printf '%s\n' "$before" /etc/pdaltagent $config.rpmnew $config.rpmsave /var/lib/pdaltagent | sed '/^$/d' | sort -u)
is "$left" traces
of -i "$new"
mv $config.rpmsave $config
pdagentd check >/tmp/check 2>&1 || fail "check of the old configuration: $(cat /tmp/check)"
of -e pdaltagent
rm -rf /etc/pdaltagent /var/lib/pdaltagent
is "$before" traces
is "$user" id -u pdaltagent
say "removed, installed again, and removed: nothing is left but the user"
