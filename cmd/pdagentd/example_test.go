package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// example returns the configuration that is shipped, with what is commented
// out in it taken in.
func example(t *testing.T) (shipped, whole string) {
	t.Helper()
	data, err := os.ReadFile("../../deploy/pdagentd.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data), regexp.MustCompile(`(?m)^#(\S|  )`).ReplaceAllString(string(data), "$1")
}

// TestExampleSaysTheDefaults: whoever takes a line out gets the same.
func TestExampleSaysTheDefaults(t *testing.T) {
	shipped, _ := example(t)
	got, err := load(t, shipped, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	want, err := load(t, "rules: [deploy/rules.d]", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	got.PagerDuty.EventsURL = defaults().PagerDuty.EventsURL // without a route it is the sandbox
	want.PagerDuty.EventsURL = defaults().PagerDuty.EventsURL
	if !got.unusedURL {
		t.Error("nobody is told that the example's events_url is not used while it has no route")
	}
	got.unusedURL = false
	// What is 0 in a part's configuration is its default.
	want.Ingest.Syslog.Format, want.Ingest.Syslog.Timezone = "auto", "UTC"
	want.Ingest.Syslog.MaxMessageBytes, want.Ingest.Syslog.MaxConnections = 65536, 4096
	want.Ingest.Syslog.IdleTimeout = 10 * time.Minute
	want.Ingest.HTTP.MaxBodyBytes, want.Ingest.HTTP.MaxConnections = 524288, 4096
	want.Spool.MaxBytes = 1 << 30
	want.document, got.document = nil, nil
	opt := cmp.Options{
		cmp.Exporter(func(reflect.Type) bool { return true }),
		cmp.FilterValues(func(a, b any) bool { return empty(a) && empty(b) }, cmp.Ignore()),
	}
	if diff := cmp.Diff(want, got, opt); diff != "" {
		t.Errorf("the example is not the defaults (-default +example):\n%s", diff)
	}
}

// empty says whether a list is, be it nil or not.
func empty(v any) bool {
	r := reflect.ValueOf(v)
	return r.IsValid() && r.Kind() == reflect.Slice && r.Len() == 0
}

// TestExampleHasEveryKey, and no other.
func TestExampleHasEveryKey(t *testing.T) {
	_, whole := example(t)
	d, c := newDocument("example", []byte(whole)), defaults()
	if faults := d.decode(c); len(faults) > 0 {
		t.Fatalf("%v\n%s", faults, whole)
	}
	for _, fault := range each(c.validate()) {
		if !strings.HasPrefix(fault.Error(), "ingest.fetch[0].command") { // which is not installed here
			t.Error(fault)
		}
	}
	var missing []string
	walkKeys("", reflect.TypeFor[config](), func(key string) {
		for _, alternative := range []string{key, key + "_file", key + "_env", strings.TrimSuffix(key, "_file"), strings.TrimSuffix(key, "_env")} {
			if d.has(alternative) || d.has(alternative+"_file") {
				return
			}
		}
		missing = append(missing, key)
	})
	if diff := cmp.Diff([]string{"ingest.fetch[0].cron"}, missing); diff != "" {
		t.Errorf("not in the example:\n%s", diff)
	}
}

// walkKeys calls do with every key that t has; the first element stands for a
// list, and the route noc for a map.
func walkKeys(section string, t reflect.Type, do func(key string)) {
	for f := range t.Fields() {
		tag := tagOf(f)
		if tag == "" {
			continue
		}
		key, of := join(section, tag), f.Type
		switch {
		case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Struct && of != reflect.TypeFor[ingest.AllowList]():
			walkKeys(key+"[0]", of.Elem(), do)
		case of.Kind() == reflect.Map && of.Elem().Kind() == reflect.Struct:
			walkKeys(key+".noc", of.Elem(), func(key string) {
				if !strings.HasSuffix(key, ".type") { // another route has it
					do(key)
				}
			})
		case of.Kind() == reflect.Struct:
			walkKeys(key, of, do)
		default:
			do(key)
		}
	}
}

// TestReadmeAndHelloShowTheSameStory.
func TestReadmeAndHelloShowTheSameStory(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.Join(strings.Fields(string(data)), " ")
	if !strings.Contains(plain, story) {
		t.Errorf("README.md has no %s", story)
	}
}
