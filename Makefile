# The tag leaves gosnmp's debug logging out: with it a trap costs a third. It
# is set here alone, and everything that builds goes through this file.
export GOFLAGS := $(strip $(GOFLAGS) -tags=gosnmp_nodebug)

VERSION := $(shell deploy/version.sh)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
CONFIG  ?= deploy/pdagentd.example.yaml
TOOL    := go tool -modfile=.ci/tools.mod
BIN     ?= bin/
ARCHES  ?= amd64 arm64

# The race detector needs a C compiler; a machine without one tests without it.
RACE := $(shell command -v $${CC:-cc} >/dev/null 2>&1 && echo -race)

FUZZTIME ?= 20s
FUZZ     ?= .

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: postgres build ## install what is missing, build, and start the appliance
	bin/pdagentd run --config $(CONFIG)

.PHONY: build
build: ## put pdagentd and the programs beside it into bin/
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)' -o $(BIN) ./cmd/...

.PHONY: test
test: postgres build ## build, and run every test
	go test $(RACE) -timeout 10m ./...

.PHONY: faults
faults: postgres ## run the tests in which nodes, databases and PagerDuty fail, which take minutes
	PDALTAGENT_FAULTS=1 go test $(RACE) -run '^Test(Fleet|PagerDutyMay|PostgresMay)' -timeout 15m ./cmd/pdagentd

.PHONY: corpus
corpus: ## parse what real devices sent, where ../shared/corpus is, and print the score
	@test -d ../shared/corpus || { echo "there is no ../shared/corpus here: nothing to parse"; exit 0; }
	@go test -count=1 -v -run Corpus ./ingest/... | grep -vE '^(=== |--- PASS|PASS|ok|\?)'

.PHONY: race
race: postgres ## run every test three times with the race detector
	go test -race -count=3 -timeout 30m ./...

.PHONY: lint
lint: ## check the code against the house's rules
	$(TOOL) golangci-lint run ./...

.PHONY: fuzz
fuzz: ## fuzz every parser, FUZZTIME each (20s); FUZZ is a pattern of targets
	deploy/fuzz.sh $(FUZZTIME) '$(FUZZ)'

.PHONY: bench
bench: postgres build ## measure, and print a table
	go test -run '^$$' -bench . -benchtime 1x -timeout 15m ./cmd/pdagentd

.PHONY: smoke
smoke: postgres build ## start the appliance, send it what real clients send, and look
	deploy/smoke.sh

.PHONY: package
package: ## make dist/*.deb and *.rpm for amd64 and arm64, with their SBOMs
	@for arch in $(ARCHES); do \
		GOOS=linux GOARCH=$$arch $(MAKE) --no-print-directory build BIN=dist/linux_$$arch/ && \
		deploy/package.sh $$arch dist/linux_$$arch $(VERSION) || exit 1; \
	done
	@cd dist && sha256sum *.deb *.rpm *.cdx.json >SHA256SUMS && ls -l *.deb *.rpm

.PHONY: package-test
package-test: ## install, upgrade, remove and purge the package in a root of its own
	deploy/package-test.sh

.PHONY: reproducible
reproducible: ## build in two folders, and compare
	deploy/reproducible.sh

.PHONY: sbom
sbom: build ## say which modules the programs are made of: dist/pdaltagent_VERSION.cdx.json
	@mkdir -p dist
	go run ./deploy/sbom -version $(VERSION) bin/* >dist/pdaltagent_$(VERSION).cdx.json
	@echo dist/pdaltagent_$(VERSION).cdx.json

.PHONY: vuln
vuln: ## look for known faults in what is linked in; needs vuln.go.dev
	$(TOOL) govulncheck ./cmd/...

.PHONY: manifests
manifests: build ## check the Kubernetes manifests
	cd deploy/kubernetes/check && go test -count=1 ./...

.PHONY: postgres
postgres:
	@deploy/postgres.sh
