package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/pdaltagent/pdaltagent/delivery"
	"github.com/pdaltagent/pdaltagent/delivery/history"
	"github.com/pdaltagent/pdaltagent/mapping"
)

func stateNames() []string {
	return []string{string(delivery.Held), string(delivery.Queued), string(delivery.Delivered), string(delivery.Dead), string(delivery.Cancelled)}
}

// statesOf returns the states that a verb is about, unless --state says.
func statesOf(verb string) []delivery.State {
	switch verb {
	case "list":
		return []delivery.State{delivery.Held, delivery.Queued, delivery.Dead}
	case "retry":
		return []delivery.State{delivery.Dead}
	case "cancel":
		return []delivery.State{delivery.Held, delivery.Queued}
	case "purge":
		return []delivery.State{delivery.Delivered, delivery.Dead, delivery.Cancelled}
	}
	return nil
}

// choice returns which deliveries are meant. Its errors are usageErrors, and
// name all that is wrong.
func (f *queueFlags) choice(verb string, args []string, now time.Time) (history.Choice, error) {
	c := history.Choice{Alert: f.alert, Error: f.fault, Limit: f.limit}
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if f.route != "" {
		c.Routes = []string{f.route}
	}
	if verb == "list" && !f.given["limit"] {
		c.Limit = defaultRows
	}
	if f.limit < 0 {
		fault("--limit %d is negative", f.limit)
	}
	for _, name := range []string{"alert", "route", "error"} {
		if f.given[name] && map[string]string{"alert": f.alert, "route": f.route, "error": f.fault}[name] == "" {
			fault("--%s is empty", name)
		}
	}
	var err error
	if c.States, err = f.chooseStates(verb); err != nil {
		fault("%s", err)
	}
	if c.IDs, err = chooseIDs(verb, args); err != nil {
		fault("%s", err)
	}
	if c.Before, err = ago("older", f.older, now); err != nil {
		fault("%s", err)
	}
	if c.After, err = ago("newer", f.newer, now); err != nil {
		fault("%s", err)
	}
	if !c.Before.IsZero() && !c.After.Before(c.Before) {
		fault("nothing is both older than %s and newer than %s", f.older, f.newer)
	}
	if err := f.enough(verb, len(args)); err != nil {
		fault("%s", err)
	}
	if len(faults) > 0 {
		return c, usageError(strings.Join(faults, "; "))
	}
	return c, nil
}

// enough looks whether somebody who changes something has said what.
func (f *queueFlags) enough(verb string, ids int) error {
	narrowed := ids > 0 || f.states != "" || f.alert != "" || f.route != "" || f.older != "" || f.newer != "" || f.fault != "" || f.limit > 0
	switch {
	case verb == "purge" && f.older == "" && ids == 0:
		return errors.New("purge needs --older, such as --older 30d")
	case verb != "retry" && verb != "cancel":
	case f.all && narrowed:
		return errors.New("--all does not go with an ID or with flags that narrow what is meant")
	case !f.all && !narrowed:
		return fmt.Errorf("%s needs to know which: an ID, --alert, --route, --older, --newer, --error or --limit; or --all", verb)
	}
	return nil
}

// chooseStates reads --state.
func (f *queueFlags) chooseStates(verb string) ([]delivery.State, error) {
	possible := statesOf(verb)
	if !f.given["state"] {
		return possible, nil
	}
	var states []delivery.State
	for name := range strings.SplitSeq(f.states, ",") {
		name = strings.TrimSpace(name)
		state := delivery.State(strings.ToLower(name))
		switch {
		case !slices.Contains(stateNames(), string(state)):
			return nil, fmt.Errorf("no state is named %q%s; there are %s", name, mapping.DidYouMean(name, stateNames()), strings.Join(stateNames(), ", "))
		case verb != "list" && !slices.Contains(possible, state):
			return nil, fmt.Errorf("%s does nothing with what is %s", verb, state)
		}
		states = append(states, state)
	}
	return states, nil
}

// chooseIDs reads the arguments.
func chooseIDs(verb string, args []string) ([]uuid.UUID, error) {
	switch {
	case verb == "list" && len(args) > 0:
		return nil, fmt.Errorf("list takes no argument: show %s tells of one delivery", args[0])
	case verb == "show" && len(args) != 1:
		return nil, errors.New("show takes one argument, the ID of a delivery")
	}
	var ids []uuid.UUID
	for _, arg := range args {
		id, err := uuid.Parse(arg)
		if err != nil || len(arg) != 36 {
			return nil, fmt.Errorf("%q is no ID: copy one from 'pdagentd queue list'", arg)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// ago returns the time that an age is before now; zero where none is given.
func ago(flag, age string, now time.Time) (time.Time, error) {
	if age == "" {
		return time.Time{}, nil
	}
	d, err := parseDuration(age)
	if err != nil || d < 0 {
		if mended := mendDuration(age); mended != "" {
			return time.Time{}, fmt.Errorf("--%s %q is no age; write %s", flag, age, mended)
		}
		return time.Time{}, fmt.Errorf("--%s %q is no age; write one such as 30s, 10m, 1h or 7d", flag, age)
	}
	return now.Add(-d), nil
}
