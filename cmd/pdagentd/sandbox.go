package main

import (
	"context"
	"fmt"
	"io"

	"github.com/pdaltagent/pdaltagent/delivery/sandbox"
)

// sandboxCommand runs the PagerDuty stand-in alone until ctx ends.
func sandboxCommand(ctx context.Context, address string, stdout io.Writer) error {
	s, err := listen(ctx, "--listen", address, nil, sandbox.New(sandbox.Config{}))
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "a PagerDuty stand-in listens on http://%s: set pagerduty.events_url, and for webhooks pagerduty.api_url, to it; GET /events lists what it got, PUT /behavior makes it fail\n", s.Addr())
	return s.Run(ctx)
}
