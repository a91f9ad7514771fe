package mapping

import (
	"bytes"
	"strconv"
)

// maxPayload is PagerDuty's limit of 512 KiB for an event, less the room that
// the integration key takes when it is sent.
const maxPayload = 512<<10 - 256

// body holds the fields of an event that are not in Event.
type body struct{ source, component string }

// payload returns the event as PagerDuty's Events API v2 takes it. An
// acknowledgement or a resolve needs nothing but its key.
func (s *scope) payload(r *rule, e *Event, f body) []byte {
	b := append(s.json[:0], `{"event_action":`...)
	b = appendString(b, string(e.Action))
	b = append(b, `,"dedup_key":`...)
	b = appendString(b, e.DedupKey)
	if e.Action == Trigger {
		b = s.appendTrigger(b, r, e, f)
	}
	b = append(b, '}')
	s.json = b
	return bytes.Clone(b)
}

func (s *scope) appendTrigger(b []byte, r *rule, e *Event, f body) []byte {
	b = appendMember(b, "client", s.masked(r, fieldClient))
	b = appendMember(b, "client_url", s.rules.masks.link(s.string(r, fieldClientURL)))
	b = s.appendLinks(b, r, "links", fieldLinks, "href")
	b = s.appendLinks(b, r, "images", fieldImages, "src")
	b = append(b, `,"payload":{"summary":`...)
	b = appendString(b, e.Summary)
	b = append(b, `,"source":`...)
	b = appendString(b, f.source)
	b = append(b, `,"severity":"`...)
	b = append(b, e.Severity...)
	b = append(b, `","timestamp":"`...)
	b = append(b, s.timestamp(r)...)
	b = append(b, '"')
	b = appendMember(b, "component", s.rules.masks.text(f.component))
	b = appendMember(b, "group", s.masked(r, fieldGroup))
	b = appendMember(b, "class", s.masked(r, fieldClass))
	if details := s.rules.masks.maskJSON(s.details(r), nil); details != nil {
		b = append(b, `,"custom_details":`...)
		b = append(b, shortenDetails(details, maxPayload-len(b)-2)...)
	}
	return append(b, '}')
}

// appendMember appends a member, where it has a text.
func appendMember(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, ',', '"'), key...), `":`...)
	return appendString(b, value)
}

// timestamp is what the rule says, else the time of receipt.
func (s *scope) timestamp(r *rule) string {
	if v, ok := s.value(r, fieldTimestamp); ok {
		t, err := timestamp(v)
		if err == nil && t != "" {
			return t
		}
		if err != nil {
			s.fail(placed(err, r.place))
		}
	}
	return s.m.ReceivedAt.UTC().Format(stamp)
}

// appendLinks appends the links or images of a rule, less those that have no
// address, which PagerDuty refuses together with the event.
func (s *scope) appendLinks(b []byte, r *rule, key string, f field, address string) []byte {
	v, ok := s.value(r, f)
	if !ok || v == nil {
		return b
	}
	n := len(b)
	b = append(append(append(b, ',', '"'), key...), `":[`...)
	empty := len(b)
	for i := 0; ; i++ {
		item, ok := at(v, i)
		if !ok {
			break
		}
		o, ok := s.toObject(item)
		if !ok || len(o.get(address)) < 3 || o.get(address)[0] != '"' {
			continue
		}
		if len(b) > empty {
			b = append(b, ',')
		}
		b = append(b, s.rules.masks.maskJSON(o.appendTo(nil), linkKind)...)
	}
	if len(b) == empty {
		return b[:n]
	}
	return append(b, ']')
}

// linkKind says which members of a link or an image are addresses.
func linkKind(_, name string) textKind {
	if name == "href" || name == "src" {
		return linkText
	}
	return plainText
}

// toObject returns a mapping that a template or an expression gives.
func (s *scope) toObject(v any) (object, bool) {
	switch v := v.(type) {
	case object:
		return v, true
	case map[string]any, map[string]string, map[string]map[string]string:
		b, err := appendValue(nil, v, 0)
		if err != nil {
			s.fail(placed(err, Place{}))
			return nil, false
		}
		return parseObject(b)
	}
	return nil, false
}

// details returns custom_details as JSON: what the rule says, after what the
// defaults say where both are mappings. nil: there are none.
func (s *scope) details(r *rule) []byte {
	base := s.detail(s.rules.defaults[fieldCustomDetails])
	own := s.detail(r.event[fieldCustomDetails])
	if own == nil {
		own, base = base, nil
	}
	if own == nil {
		return nil
	}
	return mergeDetails(base, own)
}

func (s *scope) detail(t *template) []byte {
	if t == nil {
		return nil
	}
	v, err := t.eval(s)
	if err == nil && v != nil {
		var b []byte
		if b, err = appendValue(nil, v, 0); err == nil {
			return b
		}
	}
	if err != nil {
		s.fail(placed(err, t.place))
	}
	return nil
}

// mergeDetails lays the members of own over those of base. What is not an
// object takes the place of base.
func mergeDetails(base, own []byte) []byte {
	b, ok := parseObject(base)
	if !ok {
		return own
	}
	o, ok := parseObject(own)
	if !ok {
		return own
	}
	return append(b, o...).unique().appendTo(nil)
}

// Limits of the custom_details of an event that would be too large.
const (
	longDetail = 8 << 10 // a member of more bytes is cut
	cutDetail  = 1 << 10 // to so many characters of its JSON
)

// shortenDetails makes details fit into room bytes. Of an object, members of
// more than 8 KiB become the first 1,024 characters of their JSON, as text
// that says how long they were; members that still do not fit are left out,
// and "…" counts them. What is no object is cut as one such member.
func shortenDetails(details []byte, room int) []byte {
	if len(details) <= room {
		return details
	}
	o, ok := parseObject(details)
	if !ok {
		return cut(details)
	}
	short := make(object, 0, len(o))
	size, left := 64, 0
	for _, m := range o {
		if len(m.value) > longDetail {
			m.value = cut(m.value)
		}
		if size += len(m.key)*2 + len(m.value) + 8; size > room {
			left++
			continue
		}
		short = append(short, m)
	}
	if left > 0 {
		short.set("…", appendString(nil, strconv.Itoa(left)+" more left out: the event would be too large"))
	}
	return short.appendTo(nil)
}

func cut(value []byte) []byte {
	return appendString(nil, limit(string(value), cutDetail)+" ("+strconv.Itoa(len(value))+" bytes)")
}
