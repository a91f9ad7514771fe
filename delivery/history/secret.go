package history

import (
	"bytes"
	"strings"

	"github.com/pdaltagent/pdaltagent/mapping"
)

// withoutKey returns e, or, where a sender repeats its integration key in texts
// that people read, a copy that has the placeholder for it there. Body is not
// for people: see hideKey.
func withoutKey(e *mapping.Event) *mapping.Event {
	key, mask := e.Key.Reveal(), e.Key.String()
	if key == "" || !bytes.Contains(e.Payload, []byte(key)) && !bytes.Contains(e.Message, []byte(key)) &&
		!strings.Contains(e.Summary, key) && !strings.Contains(e.DedupKey, key) && !strings.Contains(e.Host, key) {
		return e
	}
	c := *e
	for _, text := range []*string{&c.Summary, &c.DedupKey, &c.Host} {
		*text = strings.ReplaceAll(*text, key, mask)
	}
	for _, text := range []*[]byte{&c.Payload, &c.Message} {
		if *text != nil {
			*text = bytes.ReplaceAll(*text, []byte(key), []byte(mask))
		}
	}
	return &c
}
