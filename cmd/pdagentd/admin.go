package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// server is an HTTP server of our own: the admin listener or the sandbox.
type server struct {
	net.Listener
	http *http.Server
}

// listen binds address, for handler.
func listen(ctx context.Context, key, address string, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), handler http.Handler) (*server, error) {
	var conf net.ListenConfig
	l, err := conf.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, unbound(err, key, address))
	}
	if certificate != nil {
		l = tls.NewListener(l, &tls.Config{GetCertificate: certificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
	}
	return &server{l, &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}}, nil
}

// unbound says why an address cannot be listened on, and the mend.
func unbound(err error, key, address string) error {
	why := err
	if op, ok := errors.AsType[*net.OpError](err); ok {
		why = op.Err
	}
	mend := "write one such as 127.0.0.1:8081"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		mend = "another program (a second pdagentd?) holds it: stop that one, or change " + key
	case errors.Is(err, os.ErrPermission):
		mend = "ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or take a higher port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		mend = "this machine has no such address"
	default:
		if _, ok := errors.AsType[*net.AddrError](err); ok {
			why = errors.New("is no address and port")
		}
	}
	return fmt.Errorf("%s: %w; %s", address, why, mend)
}

// Run serves until ctx ends, and then for as long as requests in flight take,
// but not more than five seconds.
func (s *server) Run(ctx context.Context) error {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if s.http.Shutdown(late) != nil {
			_ = s.http.Close() // what does not end in time is cut off
		}
	})
	err := s.http.Serve(s.Listener)
	if stop() {
		return fmt.Errorf("serve %s: %w", s.Addr(), err)
	}
	<-ended
	return nil
}

func isHTTPS(listen string) bool { return strings.HasPrefix(listen, "https://") }

// newAdmin returns the admin listener: /metrics, /healthz, /readyz, and the
// queue's pages under /queue.
func newAdmin(ctx context.Context, conf adminConfig, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), a *appliance) (*server, error) {
	u, err := url.Parse(conf.Listen)
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %w", err)
	}
	if !isHTTPS(conf.Listen) {
		certificate = nil
	}
	pages, err := a.queue.Pages("/queue")
	if err != nil {
		return nil, err
	}
	d := newDoor(conf.Token, isHTTPS(conf.Listen), a.logger)
	a.registry.MustRegister(d.refused)
	r := mux.NewRouter()
	r.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok", "", "") }).Methods(http.MethodGet, http.MethodHead)
	r.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		how, err := a.ready()
		if err != nil {
			answer(w, http.StatusServiceUnavailable, "not ready", err.Error(), a.reloader.Stale())
			return
		}
		answer(w, http.StatusOK, "ready", how, a.reloader.Stale())
	}).Methods(http.MethodGet, http.MethodHead)
	r.Handle("/metrics", d.guard(promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{Registry: a.registry}))).Methods(http.MethodGet)
	r.Handle("/queue", d.guardPages(pages))
	r.PathPrefix("/queue/").Handler(d.guardPages(pages))
	r.HandleFunc("/signin", d.signIn).Methods(http.MethodGet, http.MethodPost)
	r.HandleFunc("/signout", d.signOut).Methods(http.MethodPost)
	s, err := listen(ctx, "admin.listen", u.Host, certificate, d.sameSite(r))
	if err != nil {
		return nil, err
	}
	s.http.ReadTimeout = 30 * time.Second // nobody sends more than a form
	return s, nil
}

// answer says in a word how it is, and why; rules tells what is wrong with
// those, which keeps nothing from working.
func answer(w http.ResponseWriter, status int, word, reason, rules string) {
	body := map[string]string{"status": word}
	if reason != "" {
		body["reason"] = reason
	}
	if rules != "" {
		body["rules"] = rules
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
