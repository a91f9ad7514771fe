package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// Route is a named integration key, and the API that its events are sent to.
type Route struct {
	Name string
	Type ingest.API // EventsV2, EventsV1, XERE or Change
	Key  ingest.Secret
}

// ValidKey tells whether key has the form of an integration key: 32 letters
// and digits, mostly hex digits, or R and 31 others.
func ValidKey(key ingest.Secret) bool {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return len(key) == 32 && strings.Trim(key.Reveal(), digits) == ""
}

// DefaultType returns the API of a key whose route does not say: x-ere for
// R-keys (rulesets and orchestrations), else Events v2.
func DefaultType(key ingest.Secret) ingest.API {
	if k := key.Reveal(); k != "" && k[0] == 'R' {
		return ingest.XERE
	}
	return ingest.EventsV2
}

// Routes knows the routes that are configured, and learns those of senders
// who bring their own integration key. Its methods may be called from any
// goroutine.
type Routes struct {
	standard string // the default route's name

	mu     sync.RWMutex
	byName map[string]Route
	byKey  map[ingest.Secret]string
}

// NewRoutes returns the configured routes. standard names the default one;
// it may be empty where there is none.
func NewRoutes(routes []Route, standard string) (*Routes, error) {
	r := &Routes{standard: standard, byName: map[string]Route{}, byKey: map[ingest.Secret]string{}}
	for _, route := range routes {
		r.byName[route.Name] = route
		if _, taken := r.byKey[route.Key]; !taken {
			r.byKey[route.Key] = route.Name
		}
	}
	if _, ok := r.byName[standard]; standard != "" && !ok {
		return nil, fmt.Errorf("default_route: no route is named %q; add it under routes", standard)
	}
	return r, nil
}

// Default returns the name of the default route; empty: there is none.
func (r *Routes) Default() string { return r.standard }

// Lookup returns the route of that name.
func (r *Routes) Lookup(name string) (Route, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	route, ok := r.byName[name]
	return route, ok
}

// ForKey returns the route of a sender's key: the configured route that has
// it, else one named after the key's hash. known is false until Learn has
// been called with that route, which is when it is on record.
func (r *Routes) ForKey(key ingest.Secret) (route Route, known bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if name, ok := r.byKey[key]; ok {
		return r.byName[name], true
	}
	sum := sha256.Sum256([]byte(key.Reveal()))
	return Route{Name: "sender-" + hex.EncodeToString(sum[:6]), Type: DefaultType(key), Key: key}, false
}

// Learn adds a sender's route, once its key is on record.
func (r *Routes) Learn(route Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.byName[route.Name]; ok {
		return
	}
	r.byName[route.Name] = route
	r.byKey[route.Key] = route.Name
}
