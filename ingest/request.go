package ingest

// API names the PagerDuty API that a body is written for.
type API string

// The APIs, as routes[].type names those that a route can have.
const (
	EventsV2    API = "v2"
	EventsV1    API = "v1"
	XERE        API = "x-ere"
	Change      API = "change"
	Integration API = "integration" // /integration/{routing_key}/enqueue
	Nagios      API = "nagios"      // /nagios/2010-04-15/create_event
)

// Request is an event that a program posted over HTTP, or what a command
// printed as JSON.
type Request struct {
	// Path is the path that rules match, without the sender's key:
	// "/v2/enqueue", "/hooks/alertmanager", "/x-ere/{routing_key}",
	// "/fetch/ups".
	Path string

	API API    // the PagerDuty API that Body is written for; empty: none
	Key Secret // the sender's integration key; empty: none, and always where API is

	Headers     map[string]string // names in lower case, without authorization and cookie
	ContentType string            // media type only, in lower case

	// Body is the decoded JSON or form: map[string]any, []any, string, bool,
	// nil, int (where a number is integral and fits), else float64. A text
	// body is a string. The integration key is not in it.
	Body any

	// Raw is the body after gzip was undone: in UTF-8, but for Integration
	// and Nagios, whose bodies are passed on byte for byte.
	Raw []byte
}
