package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"
)

// healthWithin bounds how long the appliance may take to say how it is: longer
// than its database may take to answer it.
const healthWithin = 4 * time.Second

func healthSubcommand() subcommand {
	return subcommand{
		name: "health", short: "ask an appliance that runs here whether it is ready", config: true,
		long: "Asks /readyz of admin.listen and prints the answer: for health checks where there is no shell and no curl.\n" +
			"Exit status: 0 when events can be committed or spooled, 1 when they cannot or nobody answers.",
		prepare: func(*flag.FlagSet) func(context.Context, call) error {
			return func(ctx context.Context, in call) error {
				c, _, err := loadConfig(in.config, os.LookupEnv)
				if err != nil {
					return err
				}
				return health(ctx, c.Admin.Listen, in.stdout)
			}
		},
	}
}

// health prints what the appliance at listen says of itself, and returns an
// error where it is not ready.
func health(ctx context.Context, listen string, stdout io.Writer) error {
	u, err := url.Parse(listen)
	if err != nil {
		return fmt.Errorf("admin.listen: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.Scheme+"://"+fromHere(u)+"/readyz", http.NoBody)
	if err != nil {
		return fmt.Errorf("admin.listen: %w", err)
	}
	// Not through a proxy, and whatever name the certificate is for: this is the same machine.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} //nolint:gosec // nothing secret is sent
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("nobody answers: %w; is pdagentd running here, with this configuration?", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("%s: %w", req.URL, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s", req.URL, resp.Status, strings.TrimSpace(string(body)))
	}
	_, err = stdout.Write(body)
	return err
}

// fromHere returns the address by which this machine reaches one that it
// listens on. Where that is any address, it is the loopback one, too: also :: takes IPv4.
func fromHere(u *url.URL) string {
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsUnspecified() || host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, u.Port())
}
