#!/bin/sh
# Makes sure that Postgres' server programs are there for the embedded server.
# Where they are found nothing is done; else they are installed with the
# machine's package manager, as root. No server is set up or started, and one
# that exists is left alone.
set -eu

oldest=14

say() { echo "postgres: $*"; }

die() {
	echo "postgres: $*" >&2
	exit 1
}

# major prints the major version of the programs in a folder, if they are there.
major() {
	[ -x "$1/postgres" ] && [ -x "$1/initdb" ] || return 0
	"$1/postgres" --version 2>/dev/null | sed -n 's/.*(PostgreSQL) \([0-9][0-9]*\).*/\1/p'
}

# find_programs prints a folder with new enough programs. It looks where
# migrations/embedded does.
find_programs() {
	in_path=$(command -v postgres 2>/dev/null || true)
	[ -z "$in_path" ] || in_path=$(dirname "$(readlink -f "$in_path" 2>/dev/null || echo "$in_path")")
	for dir in ${in_path:+"$in_path"} /usr/lib/postgresql/*/bin /usr/pgsql-*/bin \
		/opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin /usr/local/pgsql/bin; do
		version=$(major "$dir")
		if [ -n "$version" ] && [ "$version" -ge "$oldest" ]; then
			echo "$dir"
			return
		fi
	done
}

# as_root runs a command as root; sudo asks for a password where it must.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

need_root() {
	[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null 2>&1 ||
		die "not installed, and there is no sudo to install it with: run $0 as root, or set database.url to a server of yours"
}

# apt_package prints the newest server package that apt knows.
apt_package() {
	apt-cache search --names-only '^postgresql-[0-9]+$' | sed -n 's/^postgresql-\([0-9]*\) .*/\1/p' |
		sort -n | awk -v oldest="$oldest" '$1 >= oldest { newest = $1 } END { if (newest) print "postgresql-" newest }'
}

# Debian's packages make a cluster and start it, unless they are told not to.
# They are told for this installation only.
install_apt() {
	need_root
	package=$(apt_package)
	if [ -z "$package" ]; then
		as_root apt-get update -qq
		package=$(apt_package)
	fi
	[ -n "$package" ] || die "apt has no PostgreSQL $oldest or newer: add the repository of https://apt.postgresql.org, or set database.url to a server of yours"
	say "installing $package with apt-get, without a cluster of its own"
	# shellcheck disable=SC2016 # expanded by the inner shell
	as_root sh -c '
		set -eu
		folder=/etc/postgresql-common/createcluster.d
		mkdir -p "$folder"
		trap "rm -f $folder/zz-pdaltagent.conf; rmdir --ignore-fail-on-non-empty $folder" EXIT
		trap "exit 1" INT TERM
		echo "create_main_cluster = false" >"$folder/zz-pdaltagent.conf"
		export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
		apt-get install -y -qq --no-install-recommends "$1" >/dev/null ||
			{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "$1" >/dev/null; }
	' sh "$package" || die "apt-get could not install $package: see above; or set database.url to a server of yours"
}

# On RHEL the default stream may be too old; Fedora has none.
install_dnf() {
	need_root
	say "installing postgresql-server with dnf"
	for stream in 17 16 15; do
		as_root dnf -q -y module enable "postgresql:$stream" >/dev/null 2>&1 && break
	done
	as_root dnf -q -y install postgresql-server ||
		die "dnf could not install postgresql-server: see above; or set database.url to a server of yours"
}

install_brew() {
	say "installing postgresql@17 with brew"
	brew install --quiet postgresql@17 ||
		die "brew could not install postgresql@17: see above; or set database.url to a server of yours"
}

found=$(find_programs)
if [ -n "$found" ]; then
	say "using $("$found/postgres" --version | sed 's/^postgres (PostgreSQL) //') in $found"
	exit 0
fi
if command -v apt-get >/dev/null 2>&1; then
	install_apt
elif command -v dnf >/dev/null 2>&1; then
	install_dnf
elif command -v brew >/dev/null 2>&1; then
	install_brew
else
	die "no PostgreSQL $oldest or newer, and no apt-get, dnf or brew to install it with: install its server programs, or set database.url to a server of yours"
fi
[ -n "$(find_programs)" ] || die "PostgreSQL was installed, but postgres and initdb of version $oldest or newer are not where they are searched for: set database.url to a server of yours"
