package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gorilla/mux"
)

// request is an event as one of the APIs reads it.
type request struct {
	key    string
	event  Event
	errors []string
	v1     bool // answers as Events v1 does
}

// reader reads the body of a request to one path.
type reader func(r *http.Request, body []byte) request

func endpoints() map[string]reader {
	return map[string]reader{
		"/v2/enqueue":                           readV2,
		"/v2/change/enqueue":                    readChange,
		"/x-ere/{routing_key}":                  readAnything,
		"/integration/{routing_key}/enqueue":    readAnything,
		"/generic/2010-04-15/create_event.json": readV1,
		"/nagios/2010-04-15/create_event":       readNagios,
	}
}

// accepted is the answer to a request that is in order.
func (r *request) accepted() answer {
	switch {
	case r.v1:
		return answer{status: http.StatusOK, body: success{"success", "Event processed", "", r.event.DedupKey}}
	case r.event.Action == "change":
		return answer{status: http.StatusAccepted, body: success{"success", "Change event processed", "", ""}}
	}
	return answer{status: http.StatusAccepted, body: success{"success", "Event processed", r.event.DedupKey, ""}}
}

// busy is the status that says "too fast": Events v1 has 403 for it.
func (r *request) busy() int {
	if r.v1 {
		return http.StatusForbidden
	}
	return http.StatusTooManyRequests
}

// wrong adds a fault in PagerDuty's words.
func (r *request) wrong(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// need is an error where a member that must be there is not.
func (r *request) need(name, value string) {
	if strings.TrimSpace(value) == "" {
		r.wrong("'%s' is missing or blank", name)
	}
}

// needKey is an error where key is no integration key.
func (r *request) needKey(name, key string) {
	r.key = key
	if r.need(name, key); key != "" && len(key) != 32 {
		r.wrong("Length of '%s' is incorrect (should be 32 characters)", name)
	}
}

// needOneOf is an error where value is none of those that are allowed.
func (r *request) needOneOf(name, value string, allowed ...string) {
	if r.need(name, value); value != "" && !slices.Contains(allowed, value) {
		r.wrong("'%s' is invalid (must be one of: %s)", name, strings.Join(allowed, ", "))
	}
}

// dedup keeps the sender's key, or makes one where a trigger has none.
func (r *request) dedup(name, key string) {
	r.event.DedupKey = key
	switch {
	case len(key) > 255:
		r.wrong("Length of '%s' is incorrect (should be 255 characters at most)", name)
	case key != "":
	case r.event.Action == "acknowledge" || r.event.Action == "resolve":
		r.need(name, key)
	default:
		r.event.DedupKey = newDedupKey()
	}
}

func newDedupKey() string { return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()) }

// object decodes body into v, which is an error where it is no object of that
// form. What is kept of body is without the members that hold keys.
func (r *request) object(body []byte, v any) {
	r.event.Body = body
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		r.event.Body = nil // who knows what is in it
		r.wrong("the body is not a JSON object: %v", err)
		return
	}
	whole := len(members)
	maps.DeleteFunc(members, func(name string, _ json.RawMessage) bool {
		return strings.EqualFold(name, "routing_key") || strings.EqualFold(name, "service_key")
	})
	var err error
	if len(members) < whole {
		r.event.Body, err = json.Marshal(members)
	}
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		r.wrong("%v", err)
	}
}

// readV2 reads an Events API v2 event.
func readV2(_ *http.Request, body []byte) (r request) {
	var e v2Event
	r.object(body, &e)
	r.event.Action, r.event.Severity, r.event.Summary = e.EventAction, e.Payload.Severity, e.Payload.Summary
	if r.errors != nil {
		return r
	}
	r.needKey("routing_key", e.RoutingKey)
	r.needOneOf("event_action", e.EventAction, "trigger", "acknowledge", "resolve")
	if e.EventAction == "trigger" {
		r.need("payload.summary", e.Payload.Summary)
		r.need("payload.source", e.Payload.Source)
		r.needOneOf("payload.severity", e.Payload.Severity, "critical", "error", "warning", "info")
	}
	r.dedup("dedup_key", e.DedupKey)
	return r
}

type v2Event struct {
	RoutingKey  string `json:"routing_key"`
	EventAction string `json:"event_action"`
	DedupKey    string `json:"dedup_key"`
	Payload     struct {
		Summary  string `json:"summary"`
		Source   string `json:"source"`
		Severity string `json:"severity"`
	} `json:"payload"`
}

// readChange reads a change event.
func readChange(_ *http.Request, body []byte) (r request) {
	var e v2Event
	r.object(body, &e)
	r.event.Action, r.event.Summary = "change", e.Payload.Summary
	if r.errors == nil {
		r.needKey("routing_key", e.RoutingKey)
		r.need("payload.summary", e.Payload.Summary)
	}
	return r
}

// readV1 reads an Events API v1 event.
func readV1(_ *http.Request, body []byte) (r request) {
	var e struct {
		ServiceKey  string `json:"service_key"`
		EventType   string `json:"event_type"`
		IncidentKey string `json:"incident_key"`
		Description string `json:"description"`
	}
	r.v1 = true
	r.object(body, &e)
	r.event.Action, r.event.Summary = e.EventType, e.Description
	if r.errors != nil {
		return r
	}
	r.needKey("service_key", e.ServiceKey)
	r.needOneOf("event_type", e.EventType, "trigger", "acknowledge", "resolve")
	if e.EventType == "trigger" {
		r.need("description", e.Description)
	}
	r.dedup("incident_key", e.IncidentKey)
	return r
}

// readAnything reads what an integration's own rules make sense of: any JSON.
// Where it looks like an Events API v2 event, it is listed as one.
func readAnything(req *http.Request, body []byte) (r request) {
	r.needKey("routing_key", mux.Vars(req)["routing_key"])
	switch trimmed := bytes.TrimSpace(body); {
	case !json.Valid(body):
		r.wrong("the body is not JSON")
		return r
	case trimmed[0] != '{':
		r.event.Body = body
	default:
		var e v2Event
		others := request{}
		others.object(body, &e) // members of other types than v2's are the sender's right
		r.event.Body = others.event.Body
		r.event.Action, r.event.DedupKey = e.EventAction, e.DedupKey
		r.event.Severity, r.event.Summary = e.Payload.Severity, e.Payload.Summary
	}
	if r.event.DedupKey == "" {
		r.event.DedupKey = newDedupKey()
	}
	return r
}

// readNagios reads the form that Nagios' and Icinga's plugin posts, whose
// fields are Nagios' macros; its pager's number is the key.
func readNagios(_ *http.Request, body []byte) (r request) {
	r.v1 = true
	form, err := url.ParseQuery(string(body))
	if err != nil {
		r.wrong("the body is not a form: %v", err)
		return r
	}
	macro := func(name string) string {
		for _, prefix := range []string{"", "NAGIOS_", "ICINGA_"} {
			if value := form.Get(prefix + name); value != "" {
				return value
			}
		}
		return ""
	}
	key := macro("CONTACTPAGER")
	if key == "" {
		key = form.Get("service_key")
	}
	r.needKey("CONTACTPAGER", key)
	r.event.Body = withoutField(body, key)
	kind := macro("NOTIFICATIONTYPE")
	r.event.Action = map[string]string{
		"PROBLEM": "trigger", "ACKNOWLEDGEMENT": "acknowledge", "RECOVERY": "resolve",
	}[kind]
	r.event.Summary = strings.TrimSpace(macro("HOSTNAME") + " " + macro("SERVICEDESC"))
	r.event.DedupKey = r.event.Summary
	return r
}

// withoutField returns a form without the fields whose value is value.
func withoutField(form []byte, value string) []byte {
	pairs := bytes.Split(form, []byte{'&'})
	pairs = slices.DeleteFunc(pairs, func(pair []byte) bool {
		_, v, _ := bytes.Cut(pair, []byte{'='})
		text, err := url.QueryUnescape(string(v))
		return err != nil || value != "" && text == value
	})
	return bytes.Join(pairs, []byte{'&'})
}
