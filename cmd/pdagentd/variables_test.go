package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryVariableThatIsReadIsListed, so that check says what it gives, and
// only those: what is listed and not read would be promised and not kept.
func TestEveryVariableThatIsReadIsListed(t *testing.T) {
	asked := map[string]bool{}
	if _, err := load(t, "", func(name string) (string, bool) {
		asked[name] = true
		return "", false
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sortedKeys(variableKeys()), sortedKeys(asked)); diff != "" {
		t.Errorf("listed, and read (-listed +read):\n%s", diff)
	}
}

// TestEveryVariableOfPDaltagentIsKnown, as far as the contract lists them.
func TestEveryVariableOfPDaltagentIsKnown(t *testing.T) {
	contract, err := os.ReadFile("../../../shared/CONTRACT.md")
	if err != nil {
		t.Skip("needs ../shared")
	}
	names := regexp.MustCompile(`PDAGENTD_[A-Z_]+[A-Z]`).FindAllString(string(contract), -1)
	if len(names) < 5 {
		t.Fatalf("only %d are found", len(names))
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if _, ok := variableKeys()[name]; !ok && !strings.HasPrefix(name, "PDAGENTD_ADMIN_") {
			t.Errorf("%s means nothing to pdagentd", name)
		}
	}
}
