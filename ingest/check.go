package ingest

import (
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"
)

const (
	keyLength      = 32
	maxDedupLength = 255 // characters
)

// TakeKey moves the integration key that the body gives into r.Key, or finds
// it where a sender of r.API may put it else, and returns what is wrong with
// it. A Key that came with a header is used where the body gives none. It does
// nothing where Check says that the body is no object.
func (r *Request) TakeKey() (faults []string) {
	switch r.API {
	case XERE, Integration: // the key of the path; the body may be anything
		return keyFaults("routing_key", r.Key.Reveal())
	case "":
		r.Key = ""
		return nil
	default:
	}
	values, ok := r.Body.(map[string]any)
	if !ok {
		return nil
	}
	event := object{values, "", &faults}
	switch r.API {
	case EventsV1:
		r.Key = event.key("service_key", "")
	case Nagios: // its Perl client sends the key as the contact's pager
		pager, _ := values["CONTACTPAGER"].(string)
		r.Key = event.key("service_key", Secret(pager))
		maps.DeleteFunc(values, func(_ string, v any) bool { return v == r.Key.Reveal() && v != "" })
	default:
		r.Key = event.key("routing_key", r.Key)
	}
	return faults
}

// Check returns what is wrong with the body but for its key: what PagerDuty
// demands of an event, as its OpenAPI descriptions have it, in the words of
// its own answers where they are known. What it takes without a look, or cuts,
// is not looked at: unknown fields, custom_details, timestamps, the items of
// links and images, a summary over 1,024 characters, and the payload of what
// is no trigger. What a Nagios form says is left to PagerDuty's integration.
func (r *Request) Check() (faults []string) {
	if r.API == "" || r.API == XERE || r.API == Integration {
		return nil
	}
	values, ok := r.Body.(map[string]any)
	if !ok {
		return []string{"the body must be a JSON object"}
	}
	event := object{values, "", &faults}
	switch r.API {
	case EventsV2:
		event.checkV2()
	case EventsV1:
		event.checkV1()
	case Change:
		event.checkChange()
	default:
	}
	return faults
}

// object reads the fields of a JSON object and notes what is wrong with them.
type object struct {
	values map[string]any
	prefix string // of names in faults: "payload."
	faults *[]string
}

func (o object) fault(format, name string, args ...any) {
	*o.faults = append(*o.faults, fmt.Sprintf(format, append([]any{o.prefix + name}, args...)...))
}

// given returns the field's value and whether it is there: null is not.
func (o object) given(name string) (any, bool) {
	v := o.values[name]
	return v, v != nil
}

// text returns a field that is text where it is there.
func (o object) text(name string) (s string, ok bool) {
	v, ok := o.given(name)
	if !ok {
		return "", true
	}
	if s, ok = v.(string); !ok {
		o.fault("'%s' must be a string", name)
	}
	return s, ok
}

// required returns a field that must be text that is not blank.
func (o object) required(name string) string {
	s, ok := o.text(name)
	if ok && strings.TrimSpace(s) == "" {
		o.fault("'%s' is missing or blank", name)
	}
	return s
}

// choice returns a field that must be one of words.
func (o object) choice(name string, words ...string) string {
	s := o.required(name)
	if strings.TrimSpace(s) == "" {
		return ""
	}
	for _, word := range words {
		if s == word {
			return s
		}
	}
	last := len(words) - 1
	o.fault("'%s' is invalid (must be one of the following: '%s' or '%s')", name, strings.Join(words[:last], "', '"), words[last])
	return ""
}

// key takes the integration key at name out of the object, or returns the one
// that came elsewhere.
func (o object) key(name string, elsewhere Secret) Secret {
	key, ok := o.text(name)
	delete(o.values, name)
	if key == "" {
		key = elsewhere.Reveal()
	}
	if ok {
		*o.faults = append(*o.faults, keyFaults(name, key)...)
	}
	return Secret(key)
}

// keyFaults says what is wrong with an integration key: PagerDuty takes 32
// letters and digits, and routes them later.
func keyFaults(name, key string) (faults []string) {
	if strings.TrimSpace(key) == "" {
		return []string{fmt.Sprintf("'%s' is missing or blank", name)}
	}
	if utf8.RuneCountInString(key) != keyLength {
		faults = append(faults, fmt.Sprintf("Length of '%s' is incorrect (should be %d characters)", name, keyLength))
	}
	for _, c := range key {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return append(faults, fmt.Sprintf("'%s' cannot contain non-alphanumeric characters", name))
		}
	}
	return faults
}

// list notes a field that is there and no array.
func (o object) list(name string) {
	v, ok := o.given(name)
	if _, isList := v.([]any); ok && !isList {
		o.fault("'%s' must be an array", name)
	}
}

// payload returns the payload, which must be an object; ok is false where it
// is not.
func (o object) payload() (payload object, ok bool) {
	v, given := o.given("payload")
	values, ok := v.(map[string]any)
	if !given {
		o.fault("'%s' is missing or blank", "payload")
	} else if !ok {
		o.fault("'%s' must be an object", "payload")
	}
	return object{values, "payload.", o.faults}, ok
}

func (o object) checkV2() {
	action := o.choice("event_action", "trigger", "acknowledge", "resolve")
	o.dedupKey(action)
	if action == "trigger" {
		o.checkTrigger()
	}
}

func (o object) dedupKey(action string) {
	const name = "dedup_key"
	dedup, ok := o.text(name)
	if ok && dedup == "" && (action == "acknowledge" || action == "resolve") {
		o.fault("'%s' is missing or blank (it is required for '%s')", name, action)
	}
	if utf8.RuneCountInString(dedup) > maxDedupLength {
		o.fault("Length of '%s' is incorrect (should be at most %d characters)", name, maxDedupLength)
	}
}

func (o object) checkTrigger() {
	if payload, ok := o.payload(); ok {
		payload.required("summary")
		payload.required("source")
		payload.choice("severity", "critical", "warning", "error", "info")
		payload.text("component")
		payload.text("group")
		payload.text("class")
	}
	o.text("client")
	o.text("client_url")
	o.list("links")
	o.list("images")
}

func (o object) checkChange() {
	if payload, ok := o.payload(); ok {
		payload.required("summary")
		payload.text("source")
	}
	o.list("links")
	o.list("images")
}

func (o object) checkV1() {
	switch o.choice("event_type", "trigger", "acknowledge", "resolve") {
	case "trigger":
		o.required("description")
		o.text("incident_key")
		o.text("client")
		o.text("client_url")
		o.list("contexts")
	case "acknowledge", "resolve":
		o.required("incident_key")
	}
}
