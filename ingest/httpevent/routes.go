package httpevent

import (
	"net/http"
	"path"
	"strings"

	"github.com/gorilla/mux"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// endpoint is a path that senders post to.
type endpoint struct {
	path   string     // as gorilla/mux has it; Request.Path but for hooks
	api    ingest.API // empty under /hooks
	decode func(content, []byte) (any, error)
	accept func(ingest.Receipt) answer
}

// asItCame says whether bodies are passed on byte for byte.
func (e endpoint) asItCame() bool { return e.api == ingest.Integration || e.api == ingest.Nagios }

func endpoints() []endpoint {
	return []endpoint{
		{"/v2/enqueue", ingest.EventsV2, decodeJSON, acceptedV2},
		{"/v2/change/enqueue", ingest.Change, decodeJSON, acceptedChange},
		{"/x-ere/{routing_key}", ingest.XERE, decodeJSON, acceptedV2},
		{"/integration/{routing_key}/enqueue", ingest.Integration, decodeJSON, acceptedV2},
		{"/generic/2010-04-15/create_event.json", ingest.EventsV1, decodeJSON, acceptedV1},
		{"/nagios/2010-04-15/create_event", ingest.Nagios, decodeForm, acceptedV1},
		{"/hooks/{name}", "", decodeAny, acceptedHook},
	}
}

func (r *Receiver) routes() http.Handler {
	router := mux.NewRouter().SkipClean(true)
	// Path comes first: where Methods does, mux answers 404 for 405.
	for _, e := range endpoints() {
		router.Path(e.path).Methods(http.MethodPost).HandlerFunc(r.receive(e))
	}
	router.Path("/healthz").Methods(http.MethodGet, http.MethodHead).HandlerFunc(r.healthz)
	router.Path("/readyz").Methods(http.MethodGet, http.MethodHead).HandlerFunc(r.readyz)
	router.NotFoundHandler = http.HandlerFunc(r.notFound)
	router.MethodNotAllowedHandler = http.HandlerFunc(r.notAllowed)
	return cleanPath(router)
}

// cleanPath makes //v2/enqueue/ /v2/enqueue: what a client makes of a base URL
// with a slash at its end. A redirect would turn its POST into a GET.
func cleanPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		q.URL.Path = path.Clean(q.URL.Path)
		next.ServeHTTP(w, q)
	})
}

func (r *Receiver) healthz(w http.ResponseWriter, _ *http.Request) {
	answer{status: http.StatusOK, reply: reply{Status: "ok"}}.write(w)
}

func (r *Receiver) readyz(w http.ResponseWriter, _ *http.Request) {
	if err := r.ready(); err != nil {
		answer{status: http.StatusServiceUnavailable, reply: reply{Status: "not ready", Message: err.Error()}}.write(w)
		return
	}
	answer{status: http.StatusOK, reply: reply{Status: "ready", Message: "events can be committed"}}.write(w)
}

// notFound counts and logs what was posted: an event that nobody takes. What
// is merely asked for is a probe.
func (r *Receiver) notFound(w http.ResponseWriter, q *http.Request) {
	no := wrongPath()
	if q.Method != http.MethodPost {
		no.answer.write(w)
		return
	}
	m := newMessage(w, q)
	r.refuse(w, &m, root(q.URL.Path), no)
}

// root is the first segment of a path that may have a key in another.
func root(path string) string {
	path = strings.TrimPrefix(path, "/")
	first, _, more := strings.Cut(path, "/")
	if len(first) > 16 {
		return "/…"
	}
	if more {
		first += "/…"
	}
	return "/" + ingest.CleanText(first)
}

func paths() string {
	var all string
	for i, e := range endpoints() {
		if i > 0 {
			all += ", "
		}
		all += e.path
	}
	return all
}

func (r *Receiver) notAllowed(w http.ResponseWriter, q *http.Request) {
	if q.URL.Path == "/healthz" || q.URL.Path == "/readyz" {
		w.Header().Set("Allow", "GET, HEAD")
		wrongMethod("GET, HEAD").answer.write(w)
		return
	}
	w.Header().Set("Allow", http.MethodPost)
	m := newMessage(w, q)
	r.refuse(w, &m, root(q.URL.Path), wrongMethod(http.MethodPost))
}
