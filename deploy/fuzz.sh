#!/bin/sh
# Runs the fuzz targets of the project for the time given (20s), one after the
# other, and stops at the first that finds something. A second argument is an
# extended regular expression of those that are meant: "snmptrap FuzzDecode".
set -eu
cd "$(dirname "$0")/.."
time=${1:-20s}
meant=${2:-.}
grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | while read -r file; do
	dir=$(dirname "$file")
	sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' "$file" | while read -r target; do
		echo "$dir $target" | grep -qE "$meant" || continue
		echo "== $dir $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$dir" </dev/null
	done
done
