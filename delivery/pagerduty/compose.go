package pagerduty

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/ingest"
	"github.com/pdaltagent/pdaltagent/mapping"
)

// call is a request to be made.
type call struct {
	api         ingest.API
	path        string
	body        []byte
	contentType string
}

// compose makes the request of d: to the API that d was written for when it
// was posted for one, else to its route's.
func compose(d *delivery.Delivery, route delivery.Route) (call, error) {
	c := call{api: d.API, body: d.Body, contentType: d.ContentType}
	if c.api == "" {
		if err := c.translate(d.Action, route.Type); err != nil {
			return call{}, err
		}
	}
	var err error
	key := route.Key.Reveal()
	switch c.api {
	case ingest.EventsV2:
		c.path = "/v2/enqueue"
		c.body, err = withKey(c.body, "routing_key", key)
	case ingest.Change:
		c.path = "/v2/change/enqueue"
		c.body, err = withKey(c.body, "routing_key", key)
	case ingest.EventsV1:
		c.path = "/generic/2010-04-15/create_event.json"
		c.body, err = withKey(c.body, "service_key", key)
	case ingest.XERE:
		c.path = "/x-ere/" + url.PathEscape(key)
	case ingest.Integration:
		c.path = "/integration/" + url.PathEscape(key) + "/enqueue"
	case ingest.Nagios:
		c.path = "/nagios/2010-04-15/create_event"
	default:
		err = fmt.Errorf("no API is named %q", c.api)
	}
	return c, err
}

// withKey puts the key into a JSON object, before its other members.
func withKey(object []byte, name, key string) ([]byte, error) {
	rest := bytes.TrimLeft(object, " \t\r\n")
	if len(rest) < 2 || rest[0] != '{' {
		return nil, fmt.Errorf("the payload is no JSON object")
	}
	rest = rest[1:]
	body := make([]byte, 0, len(rest)+len(name)+len(key)+8)
	body = append(body, '{', '"')
	body = append(body, name...)
	body = append(body, `":"`...)
	body = append(body, key...)
	body = append(body, '"')
	if bytes.TrimLeft(rest, " \t\r\n")[0] != '}' {
		body = append(body, ',')
	}
	return append(body, rest...), nil
}

// v2 is an Events API v2 event, as far as the other APIs have a place for it.
type v2 struct {
	DedupKey  string          `json:"dedup_key"`
	Client    string          `json:"client"`
	ClientURL string          `json:"client_url"`
	Links     json.RawMessage `json:"links"`
	Images    json.RawMessage `json:"images"`
	Payload   struct {
		Summary       string          `json:"summary"`
		Source        string          `json:"source"`
		Severity      string          `json:"severity"`
		Component     string          `json:"component"`
		Group         string          `json:"group"`
		Class         string          `json:"class"`
		Timestamp     string          `json:"timestamp"`
		CustomDetails json.RawMessage `json:"custom_details"`
	} `json:"payload"`
}

// translate rewrites an Events v2 event for the API of a route.
func (c *call) translate(action mapping.Action, to ingest.API) (err error) {
	c.api = to
	if to == ingest.EventsV2 || to == ingest.XERE {
		return nil // x-ere takes Events v2 as it is
	}
	var event v2
	if err := json.Unmarshal(c.body, &event); err != nil {
		return fmt.Errorf("the payload is no Events v2 event: %w", err)
	}
	switch to {
	case ingest.EventsV1:
		c.body, err = json.Marshal(event.v1(action))
	case ingest.Change:
		c.body, err = json.Marshal(event.change())
	default:
		err = fmt.Errorf("no route can have the type %q; v2, v1, x-ere and change exist", to)
	}
	return err
}

type v1 struct {
	EventType   mapping.Action  `json:"event_type"`
	IncidentKey string          `json:"incident_key,omitempty"`
	Description string          `json:"description,omitempty"`
	Client      string          `json:"client,omitempty"`
	ClientURL   string          `json:"client_url,omitempty"`
	Details     json.RawMessage `json:"details,omitempty"`
}

func (e *v2) v1(action mapping.Action) v1 {
	return v1{
		EventType: action, IncidentKey: e.DedupKey, Description: e.Payload.Summary,
		Client: e.Client, ClientURL: e.ClientURL, Details: e.details(),
	}
}

// details holds what Events v1 has no field for.
func (e *v2) details() json.RawMessage {
	details := map[string]any{}
	if json.Unmarshal(e.Payload.CustomDetails, &details) != nil && len(e.Payload.CustomDetails) > 0 {
		details = map[string]any{"custom_details": e.Payload.CustomDetails}
	}
	for name, value := range map[string]string{
		"source": e.Payload.Source, "severity": e.Payload.Severity, "component": e.Payload.Component,
		"group": e.Payload.Group, "class": e.Payload.Class,
	} {
		if _, taken := details[name]; !taken && value != "" {
			details[name] = value
		}
	}
	if len(details) == 0 {
		return nil
	}
	raw, err := json.Marshal(details)
	if err != nil {
		return nil // cannot be: all of it came out of JSON
	}
	return raw
}

type change struct {
	Payload struct {
		Summary       string          `json:"summary"`
		Source        string          `json:"source,omitempty"`
		Timestamp     string          `json:"timestamp,omitempty"`
		CustomDetails json.RawMessage `json:"custom_details,omitempty"`
	} `json:"payload"`
	Links json.RawMessage `json:"links,omitempty"`
}

func (e *v2) change() change {
	var c change
	c.Payload.Summary, c.Payload.Source = e.Payload.Summary, e.Payload.Source
	c.Payload.Timestamp, c.Payload.CustomDetails = e.Payload.Timestamp, e.Payload.CustomDetails
	c.Links = e.Links
	return c
}
