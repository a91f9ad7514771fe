#!/usr/bin/env bash
# Builds programs, SBOM and packages of what is checked out twice, in two
# folders and with nothing in the second one's cache, and compares them.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(deploy/version.sh) commit=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
work=$(mktemp -d /tmp/pdaltagent-reproducible.XXXXXX)
trap 'GOCACHE=$work/cache go clean -cache; rm -rf "$work"' EXIT

# build NAME: what comes of a copy in the folder NAME, in a file of sums.
build() {
	mkdir -p "$work/$1"
	git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work/$1"
	(
		cd "$work/$1"
		make --no-print-directory build VERSION="$version" COMMIT="$commit"
		tools=${GOCACHE_OF_TOOLS:+GOCACHE=$GOCACHE_OF_TOOLS}
		env $tools deploy/package.sh "$(go env GOARCH)" bin "$version"
		sha256sum bin/* dist/*.*
	) >"$work/$1.log" 2>&1 || {
		cat "$work/$1.log" >&2
		exit 1
	}
	grep -E '^[0-9a-f]{64} ' "$work/$1.log"
}
build one >"$work/one.sums"
GOCACHE_OF_TOOLS=$(go env GOCACHE) GOCACHE=$work/cache build some/other/folder >"$work/other.sums"
if ! diff "$work/one.sums" "$work/other.sums"; then
	echo "reproducible: the two builds of $version differ" >&2
	exit 1
fi
cat "$work/one.sums"
echo "reproducible: the same bytes twice"
