package queue

import (
	"fmt"
	"net/http"

	"riverqueue.com/riverui"
)

// Pages returns River's own pages about jobs and queues, for requests whose
// paths begin with prefix. They show and change nothing: a job that is
// cancelled or deleted behind the history's back would leave its delivery, and
// all that wait behind it, waiting for ever. They ask the database only while
// somebody looks.
func (q *Queue) Pages(prefix string) (http.Handler, error) {
	pages, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints:                riverui.NewEndpoints(q.client, nil),
		JobListHideArgsByDefault: true,
		Logger:                   q.logger,
		Prefix:                   prefix,
	})
	if err != nil {
		return nil, fmt.Errorf("river's pages: %w", err)
	}
	// Not started: that would count jobs every few seconds, whoever looks.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"message":"these pages only show; change deliveries with 'pdagentd queue'"}`)) // the client may be gone
			return
		}
		pages.ServeHTTP(w, r)
	}), nil
}
