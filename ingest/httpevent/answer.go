package httpevent

import (
	"encoding/json"
	"net/http"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// answer is all that a sender hears.
type answer struct {
	status int
	reply  reply
}

// reply is PagerDuty's shape of an answer.
type reply struct {
	Status      string   `json:"status"`
	Message     string   `json:"message,omitempty"`
	DedupKey    string   `json:"dedup_key,omitempty"`
	IncidentKey string   `json:"incident_key,omitempty"`
	Events      *int     `json:"events,omitempty"`
	Errors      []string `json:"errors,omitempty"`
}

// retryAfter is how many seconds a sender should wait before it tries again.
const retryAfter = "5"

func (a answer) write(w http.ResponseWriter) {
	body, err := json.Marshal(a.reply)
	if err != nil { // strings and an int: it cannot be
		body = []byte(`{"status":"error"}`)
	}
	header := w.Header()
	header["Content-Type"] = []string{"application/json"}
	switch a.status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", `Bearer realm="pdaltagent"`)
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", retryAfter)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // a client that is gone hears nothing
}

const processed = "Event processed"

func acceptedV2(got ingest.Receipt) answer {
	return answer{http.StatusAccepted, reply{Status: "success", Message: processed, DedupKey: got.DedupKey}}
}

func acceptedChange(ingest.Receipt) answer {
	return answer{http.StatusAccepted, reply{Status: "success", Message: "Change event processed"}}
}

func acceptedV1(got ingest.Receipt) answer {
	return answer{http.StatusOK, reply{Status: "success", Message: processed, IncidentKey: got.DedupKey}}
}

func acceptedHook(got ingest.Receipt) answer {
	return answer{http.StatusAccepted, reply{Status: "success", Events: &got.Events}}
}

// invalid is PagerDuty's answer to bad input.
func invalid(faults ...string) answer {
	return answer{http.StatusBadRequest, reply{Status: "invalid event", Message: "Event object is invalid", Errors: faults}}
}

func unavailable(fault string) answer {
	return answer{http.StatusServiceUnavailable, reply{
		Status:  "unavailable",
		Message: "The event was not taken: retry later",
		Errors:  []string{fault},
	}}
}
