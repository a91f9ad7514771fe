package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/pdaltagent/pdaltagent/delivery/sandbox"
)

// sandboxCommand runs the PagerDuty stand-in alone until ctx ends. every is how
// often something happens to an incident; 0: nothing does by itself.
func sandboxCommand(ctx context.Context, address string, every time.Duration, stdout io.Writer) error {
	stand := sandbox.New(sandbox.Config{})
	if every != 0 {
		if err := stand.PlayLife(sandbox.Life{Incident: "sandbox", Every: every, Again: true}); err != nil {
			return fmt.Errorf("--play: %w", err)
		}
	}
	s, err := listen(ctx, "--listen", address, nil, stand)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "a PagerDuty stand-in listens on http://%s: set pagerduty.events_url, and for webhooks pagerduty.api_url, to it; GET /events lists what it got, PUT /behavior makes it fail, POST /incidents plays an incident\n", s.Addr())
	return s.Run(ctx)
}
