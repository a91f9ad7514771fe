package main

import (
	_ "github.com/PagerDuty/go-pagerduty"
	_ "github.com/expr-lang/expr"
	_ "github.com/golangsnmp/gomib"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/google/uuid"
	_ "github.com/gorilla/mux"
	_ "github.com/gosnmp/gosnmp"
	_ "github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/leodido/go-syslog/v4/rfc5424"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/riverqueue/river"
	_ "github.com/riverqueue/river/riverdriver/riverpgxv5"
	_ "github.com/riverqueue/river/rivermigrate"
	_ "go.uber.org/goleak"
	_ "go.yaml.in/yaml/v4"
	_ "golang.org/x/net/ipv4"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
	_ "gopkg.in/mcuadros/go-syslog.v2/format"
)

func main() {}
