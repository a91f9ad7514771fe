package snmptrap

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pdaltagent/pdaltagent/ingest"
)

// How many messages a second may name an engine that no authentic message has
// come from: each costs about 2 µs until it turns out to be forged.
const (
	unseenPerSource = 2000
	unseenOverall   = 20000
)

// security decides whether an SNMPv3 message is what it says, as RFC 3414
// section 3.2 has it. Its methods may be called from any goroutine.
type security struct {
	own   *engine
	users map[string][]*user // by name, those that are bound to an engine first
	stats stats

	mu      sync.Mutex // of what follows, and of the peers and their keys
	home    *peer      // own, as a peer: what it has keys for
	peers   *peers
	unseen  *limiter
	reports *limiter
	replays *replays
}

// fault is why a message is refused.
type fault struct {
	outcome ingest.Outcome
	reason  string // quotes nothing secret
	stat    stat   // what it is counted as, and the sender is told of; 0: neither
	keys    *keys  // what the report is secured with; nil: nothing
}

// newSecurity returns what decides about messages of the users of conf; nil if
// it has none. Our engine is started once more.
func newSecurity(conf Config) (*security, error) {
	if len(conf.Users) == 0 {
		return nil, nil //nolint:nilnil // without users v3 is not taken
	}
	users, err := newUsers(conf.Users)
	if err != nil {
		return nil, err
	}
	own, err := openEngine(conf.StateDir, conf.EngineID)
	if err != nil {
		return nil, err
	}
	return &security{
		own: own, users: users,
		home: &peer{engine: own.id, keys: map[*user]*keys{}}, peers: newPeers(maxPeers),
		unseen: newLimiter(unseenPerSource, unseenOverall), reports: newLimiter(reportsPerSource, reportsOverall),
		replays: newReplays(time.Now()),
	}, nil
}

// newUsers returns users by name, those that are bound to an engine first.
func newUsers(conf []User) (map[string][]*user, error) {
	users := map[string][]*user{}
	for i := range conf {
		u, err := newUser(&conf[i])
		if err := errors.Join(err, conf[i].unresolved()); err != nil {
			return nil, fmt.Errorf("users[%d].%w", i, err)
		}
		if u.engine == "" {
			users[u.name] = append(users[u.name], u)
		} else {
			users[u.name] = slices.Insert(users[u.name], 0, u)
		}
	}
	return users, nil
}

// forUs reports whether m names us as its authoritative engine.
func (s *security) forUs(m *secured) bool { return string(m.engine) == s.own.id }

// user returns the user of m; nil if there is none.
func (s *security) user(m *secured) *user {
	for _, u := range s.users[string(m.user)] {
		if u.engine == "" || u.engine == string(m.engine) {
			return u
		}
	}
	return nil
}

// verify carries out steps 3 to 7 of RFC 3414 section 3.2. It returns the keys
// that m is secured with; none for a message that is not authenticated.
func (s *security) verify(m *secured, from netip.Addr, now time.Time) (*keys, *fault) {
	if len(m.engine) == 0 {
		return nil, unknownEngine()
	}
	u := s.user(m)
	if u == nil {
		return nil, newFault(unknownUserNames, ingest.RefusedUser, "its user is not in ingest.snmp.users, or bound to another engine_id there")
	}
	if m.level < u.least {
		return nil, newFault(unsupportedSecLevels, ingest.RefusedSecurity, "it is less secure than ingest.snmp.users asks of its user")
	}
	if m.level > u.most {
		return nil, newFault(unsupportedSecLevels, ingest.RefusedSecurity, "it is more secure than the keys that ingest.snmp.users gives its user")
	}
	if m.level == noAuthNoPriv {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.peer(m)
	k, f := s.authenticate(m, u, p, from, now)
	if f != nil {
		return nil, f
	}
	if s.forUs(m) {
		return k, s.checkOwnTime(m, k, now)
	}
	if p == nil {
		p = s.peers.add(k.engine, now)
	}
	p.keys[u] = k
	return k, checkPeerTime(m, p, now)
}

func (s *security) peer(m *secured) *peer {
	if s.forUs(m) {
		return s.home
	}
	return s.peers.get(m.engine)
}

// authenticate returns the keys that m was authenticated with. p is nil for an
// engine that is not known; nothing of it is remembered until a message of it
// is authentic.
func (s *security) authenticate(m *secured, u *user, p *peer, from netip.Addr, now time.Time) (*keys, *fault) {
	var k *keys
	if p != nil {
		k = p.keys[u]
	}
	if k == nil {
		if p != s.home && !s.unseen.allow(from, now) {
			return nil, &fault{outcome: ingest.RefusedEngine, reason: "too many messages a second name engines that were not heard before"}
		}
		k = u.keysAt(string(m.engine))
		if p == s.home {
			p.keys[u] = k
		}
	}
	if !k.authentic(m) {
		return nil, newFault(wrongDigests, ingest.RefusedDigest, "it is not authentic: forged, or auth or auth_passphrase of its user differ here and there")
	}
	return k, nil
}

func (s *security) checkOwnTime(m *secured, k *keys, now time.Time) *fault {
	if s.own.timely(m.boots, m.time, now) {
		return nil
	}
	f := newFault(notInTimeWindows, ingest.Replayed, "it is not in our time window: a replay, or a sender that has yet to learn our boots and time")
	f.keys = k
	return f
}

func checkPeerTime(m *secured, p *peer, now time.Time) *fault {
	late, ok := p.timely(m.boots, m.time, now)
	switch {
	case ok:
		return nil
	case m.boots < p.boots:
		return &fault{outcome: ingest.Replayed, reason: fmt.Sprintf("its engine has booted %d times since: a replay, or an agent that lost count of its snmpEngineBoots", p.boots-m.boots)}
	}
	return &fault{outcome: ingest.Replayed, reason: fmt.Sprintf("it is %d s later than its time window lasts: a replay, or an agent whose snmpEngineTime does not run", late)}
}

func unknownEngine() *fault {
	return newFault(unknownEngineIDs, ingest.Discovery, "its sender has yet to learn our engine id, and is told it")
}

func newFault(of stat, outcome ingest.Outcome, reason string) *fault {
	return &fault{stat: of, outcome: outcome, reason: reason}
}

// fresh reports whether m was not taken before, and remembers it.
func (s *security) fresh(m *secured, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replays.add(m.code, now)
}

// taken reports whether m was taken before.
func (s *security) taken(m *secured) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replays.has(m.code)
}

// take remembers the INFORMs that were answered.
func (s *security) take(answers []answer, now time.Time) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range answers {
		if a.code != 0 {
			s.replays.add(a.code, now)
		}
	}
}

// mayReport reports whether source may be sent another report.
func (s *security) mayReport(source netip.Addr, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reports.allow(source, now)
}
