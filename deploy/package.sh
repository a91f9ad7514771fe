#!/bin/sh
# Makes dist/*.deb and dist/*.rpm for an architecture (amd64, arm64) of the
# programs in a folder: package.sh ARCH FOLDER VERSION. What it makes depends on
# these, the checkout and SOURCE_DATE_EPOCH alone.
set -eu
cd "$(dirname "$0")/.."
export ARCH=$1 VERSION=$3
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
nfpm="go tool -modfile=.ci/tools.mod nfpm"
stage=dist/stage

umask 022
rm -rf $stage
mkdir -p $stage/bin $stage/man
cp "$2/pdagentd" "$2/pd-send" "$2/pd-queue" "$2/pd-nagios" "$2/pd-sensu" "$2/pd-zabbix" $stage/bin/
for page in deploy/man/*; do
	gzip -9n <"$page" >"$stage/man/$(basename "$page").gz"
done
deploy/package-config.sh >$stage/pdagentd.yaml
go run ./deploy/sbom -version "$VERSION" $stage/bin/* >$stage/sbom.cdx.json
cp $stage/sbom.cdx.json "dist/pdaltagent_${VERSION}_linux_$ARCH.cdx.json"
for format in deb rpm; do
	$nfpm package --config deploy/package/nfpm.yaml --packager $format --target dist/
done
rm -rf $stage
