package ingest

import "testing"

func TestTextBecomesUTF8(t *testing.T) {
	f := func(raw, charset, want string) {
		t.Helper()
		if got := string(UTF8([]byte(raw), charset)); got != want {
			t.Errorf("%q in %q: %q, want %q", raw, charset, got, want)
		}
	}
	f("", "", "")
	f("plain", "", "plain")
	f("é", "utf-8", "é")
	f("\xef\xbb\xbfé", "", "é")
	f("\xef\xbb\xbfé", "iso-8859-1", "é")
	f("\xff\xfee\x00\xe9\x00\x3d\xd8\x00\xde", "", "eé😀")
	f("\xfe\xff\x00e", "utf-8", "e")
	f("e\x00\xe9\x00", "UTF-16LE", "eé")
	f("\x00e\x00\xe9", "utf-16", "eé")
	f("\x00e\xd8\x3d\x00", "utf-16be", "e\uFFFD") // half a pair, half a unit
	f("caf\xe9", "ISO-8859-1", "café")
	f("\x80 10 \x96\x9f", "windows-1252", "€ 10 –Ÿ")
	f("\x81\xff", "latin1", "\u0081ÿ")
	f("café", "iso-8859-1", "café")
	f("caf\xe9", "koi8-r", "caf\xe9")
	f("caf\xe9", "", "caf\xe9")
}
