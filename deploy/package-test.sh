#!/usr/bin/env bash
# Builds the packages for this machine and puts them to the test: what they
# hold, how far the unit is locked up, and the life of the .deb (see
# package-life.sh) in a copy of this machine's root and in a clean one; and of
# the .rpm (see package-life-rpm.sh) in the copy, where it has rpm.
#
# Both roots are thrown away. The first is an overlay on /, and must work where
# this runs as root; the second needs mmdebstrap and Debian's mirror, and is
# left out, loudly, where these are not to be had in time. With CLEAN=full
# Postgres is installed into the clean root, too, so that the appliance runs
# there; EVENTS is how many deliveries wait during the upgrade, and OLD_BIN a folder
# with the programs of an older version to upgrade from.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
	echo "package-test: $*" >&2
	exit 1
}
say() { echo "package-test: $*"; }

work=$(mktemp -d /tmp/pdaltagent-package.XXXXXX)
chmod 755 "$work"
cleaning=
finish() {
	if [[ -n $cleaning ]]; then
		kill -- -"$cleaning" 2>/dev/null || true
		wait "$cleaning" 2>/dev/null || true
	fi
	rm -rf --one-file-system "$work"
}
trap finish EXIT

# The clean root is made while the rest goes on; what mmdebstrap mounts in it is
# seen by nobody else. It comes from MIRROR, or from where this machine's own
# packages come from.
clean() {
	[[ $(id -u) == 0 ]] && command -v mmdebstrap >/dev/null || return 1
	local mirror=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | grep -v security | sort -u | head -1)}
	timeout --foreground "${CLEAN_WITHIN:-80}" unshare --mount mmdebstrap --mode=root --variant=minbase "${SUITE:-stable}" "$work/clean" "$mirror" >"$work/clean.log" 2>&1
}
set -m # a process group of its own, which can be ended as a whole
clean &
cleaning=$!
set +m

arch=$(go env GOARCH)
make --no-print-directory package ARCHES="$arch" >"$work/build.log" 2>&1 || fail "$(cat "$work/build.log")"
version=$(deploy/version.sh)
new=$(ls dist/pdaltagent_"${version/-/\~}"_"$arch".deb) rpm=$(ls dist/pdaltagent-"${version/-/\~}"-1.*.rpm)

# An older version, whose configuration had another text.
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work" 2>/dev/null
echo '# The end.' >>"$work/deploy/pdagentd.example.yaml"
"$work/deploy/package.sh" "$arch" "$(realpath "${OLD_BIN:-dist/linux_$arch}")" 0.0.1 >"$work/build.log" 2>&1 || fail "$(cat "$work/build.log")"
old=$work/dist/pdaltagent_0.0.1_$arch.deb old_rpm=$(ls "$work"/dist/pdaltagent-0.0.1-1.*.rpm)

# What the unit may do.
if command -v systemd-analyze >/dev/null; then
	exposure=$(systemd-analyze security --offline=true deploy/package/pdagentd.service | sed -n 's/.*exposure level for .*: \([0-9.]*\) .*/\1/p')
	awk -v e="$exposure" 'BEGIN { exit !(e != "" && e < 2) }' || fail "the unit's exposure is $exposure; it must be under 2.0"
	say "the unit's exposure is $exposure"
fi

# What the packages hold.
dpkg-deb -c "$new" >"$work/list"
for file in /usr/bin/pdagentd /usr/bin/pd-send /usr/bin/pd-queue /usr/bin/pd-nagios /usr/bin/pd-sensu /usr/bin/pd-zabbix /etc/pdaltagent/pdagentd.yaml /etc/pdaltagent/rules.d/10-standard-traps.yaml \
	/etc/pdaltagent/mibs/ /lib/systemd/system/pdagentd.service /usr/lib/sysusers.d/pdaltagent.conf /usr/lib/sysctl.d/60-pdaltagent.conf \
	/usr/share/man/man1/pdagentd.1.gz /usr/share/man/man5/pdaltagent-rules.5.gz /usr/share/bash-completion/completions/pd-send \
	/usr/share/zsh/vendor-completions/_pdagentd /usr/share/fish/vendor_completions.d/pd-queue.fish /usr/share/doc/pdaltagent/sbom.cdx.json; do
	grep -q " \.$file\( ->\|\$\)" "$work/list" || fail "$new has no $file"
done
if command -v rpm >/dev/null; then
	rpm -qlp "$rpm" >"$work/list"
	for file in /usr/bin/pdagentd /usr/lib/systemd/system/pdagentd.service /usr/share/zsh/site-functions/_pdagentd /etc/pdaltagent/mibs; do
		grep -qx "$file" "$work/list" || fail "$rpm has no $file"
	done
	rpm -qp --qf '[%{FILENAMES} %{FILEFLAGS:fflags} %{FILEGROUPNAME}\n]' "$rpm" >"$work/flags"
	grep -qx '/etc/pdaltagent/pdagentd.yaml cn pdaltagent' "$work/flags" ||
		fail "$rpm: the configuration is not noreplace and its group's"
	rpm -qp --scripts --recommends --requires "$rpm" >"$work/scripts"
	for script in preinstall postinstall preuninstall postuninstall; do
		grep -q "^$script scriptlet" "$work/scripts" || fail "$rpm has no $script"
	done
	grep -qx postgresql-server "$work/scripts" || fail "$rpm does not recommend postgresql-server"
	grep -qx shadow-utils "$work/scripts" && grep -qx /bin/sh "$work/scripts" || fail "$rpm does not require what makes its user"
	say "the rpm has its files, flags and scripts"
else
	say "WARNING: no rpm here: the .rpm was built and NOT looked into"
fi

# live ROOT SCRIPT OLD NEW: the life of a package there, with processes and a network of its own.
live() {
	mkdir -p "$1/tmp"
	touch "$1/throw-away"
	cp "$3" "$4" "deploy/$2" "$1/tmp/"
	PATH=$PATH:/usr/sbin:/sbin unshare --mount --net --pid --fork --kill-child bash -euc '
		ip link set lo up
		mount -t proc proc "$1/proc"
		[ -e "$1/dev/urandom" ] || mount --rbind /dev "$1/dev"
		mountpoint -q "$1/dev/shm" || { mkdir -p "$1/dev/shm" && mount -t tmpfs tmpfs "$1/dev/shm"; }
		exec chroot "$1" /bin/bash "/tmp/$2" "/tmp/$3" "/tmp/$4" "$5"
	' live "$1" "$2" "$(basename "$3")" "$(basename "$4")" "${EVENTS:-200}"
}

[[ $(id -u) == 0 ]] || fail "the packages were built, but only root can install them into a root of their own: run it as root"
mkdir -p "$work/overlay"
unshare --mount bash -euc '
	mount -t tmpfs tmpfs "$1"
	mkdir "$1/upper" "$1/work" "$1/root"
	mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
	'"$(declare -f live)"'
	rm -rf "$1/root/etc/pdaltagent" "$1/root/var/lib/pdaltagent" # of this machine
	! command -v rpm >/dev/null || live "$1/root" package-life-rpm.sh "$4" "$5"
	live "$1/root" package-life.sh "$2" "$3"
' overlay "$work/overlay" "$old" "$new" "$old_rpm" "$rpm" || fail "the package in a copy of this root: see above"

if wait "$cleaning"; then
	cleaning=
	if [[ ${CLEAN:-} == full ]]; then
		cp /etc/resolv.conf "$work/clean/etc/"
		printf '#!/bin/sh\nexit 101\n' >"$work/clean/usr/sbin/policy-rc.d"
		chmod 755 "$work/clean/usr/sbin/policy-rc.d"
		chroot "$work/clean" sh -euc 'apt-get update -qq && exec "$@"' install env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			postgresql postgresql-client snmp curl >"$work/apt.log" 2>&1 || fail "apt-get: $(tail -5 "$work/apt.log")"
	fi
	live "$work/clean" package-life.sh "$old" "$new" || fail "the package in a clean root: see above"
	say "ok"
else
	cleaning=
	say "WARNING: the clean root was LEFT OUT: no mmdebstrap here, or no mirror: $(tail -1 "$work/clean.log" 2>/dev/null || true)"
	say "ok, but for the clean root"
fi
