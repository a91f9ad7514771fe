package ingest

import (
	"log/slog"
	"strings"
)

// Secret is a community, key, token or passphrase. It prints as [secret]
// wherever it is logged, formatted or encoded; Reveal is the only way to its
// text.
type Secret string

const masked = "[secret]"

// Reveal returns the text of s.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder, or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText is String, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String, for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Hide takes s out of a text, in whatever case it is written there.
func (s Secret) Hide(text string) string {
	if s == "" {
		return text
	}
	var b strings.Builder
	from := 0
	for i := 0; i+len(s) <= len(text); i++ {
		if strings.EqualFold(text[i:i+len(s)], string(s)) {
			b.WriteString(text[from:i])
			b.WriteString(masked)
			i += len(s) - 1
			from = i + 1
		}
	}
	return b.String() + text[from:]
}
