package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func TestSecretsAreNotPrinted(t *testing.T) {
	s := Secret("hush")
	held := struct {
		Community Secret
		More      []Secret
	}{s, []Secret{s}}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %s %q %x %X %+v %#v %v", s, s, s, s, s, held, held, &held)
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "secret", s, "held", held)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "secret", s, "held", held)
	if err := json.NewEncoder(&out).Encode(held); err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(y)
	for _, leak := range []string{"hush", fmt.Sprintf("%x", "hush"), fmt.Sprintf("%X", "hush")} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q is in:\n%s", leak, out.String())
		}
	}
	if s.Reveal() != "hush" || Secret("").String() != "" {
		t.Errorf("reveals %q; empty prints %q", s.Reveal(), Secret(""))
	}
}

// TestASecretIsHiddenInWhateverCase, wherever it is in a text.
func TestASecretIsHiddenInWhateverCase(t *testing.T) {
	f := func(s Secret, text, want string) {
		t.Helper()
		if got := s.Hide(text); got != want {
			t.Errorf("%q without the secret is %q, want %q", text, got, want)
		}
	}
	f("hush", "hush, HUSH and Hushhush", "[secret], [secret] and [secret][secret]")
	f("hush", "hus", "hus")
	f("hush", "", "")
	f("", "text", "text")
	f("a\xffb", "é a\xffb", "é [secret]")
}
