#!/bin/sh
# Prints the version of what is checked out, as semver: 1.2.3 on the tag v1.2.3;
# after it 1.2.4-dev.5+gCOMMIT with five commits since, which is newer than 1.2.3
# and older than 1.2.4; 0.1.0-dev.COUNT+gCOMMIT before the first tag.
set -eu
cd "$(dirname "$0")/.."
if ! commit=$(git rev-parse --short=12 HEAD 2>/dev/null); then
	echo 0.0.0-devel
	exit
fi
dirty=
git diff --quiet HEAD 2>/dev/null || dirty=.dirty
if tag=$(git describe --tags --match 'v[0-9]*.[0-9]*.[0-9]*' --abbrev=0 2>/dev/null); then
	since=$(git rev-list --count "$tag..HEAD")
	if [ "$since" = 0 ] && [ -z "$dirty" ]; then
		echo "${tag#v}"
		exit
	fi
	next=$(echo "${tag#v}" | sed 's/[-+].*//' | awk -F. '{ print $1 "." $2 "." $3 + 1 }')
	case $tag in *-*) next=${tag#v} next=${next%%-*} ;; esac
else
	next=0.1.0 since=$(git rev-list --count HEAD)
fi
echo "$next-dev.$since+g$commit$dirty"
