package main

import (
	"slices"
	"strings"
)

// opposites are words of which the first of a line begins what the others end.
const opposites = `
down: up
failed: recovered ok passed restored good cleared succeeded working
failure: recovery recovered ok restored cleared success repaired
fail: ok recover recovered good clear pass restore success
fault: ok normal cleared clear recovered
faulty: ok normal good
error: ok normal cleared clear recovered
alarm: normal clear cleared ok
lost: restored established regained found recovered acquired up gained detected joined
loss: restored regained recovered recovery acquired cleared clear
raised: cleared lowered clear
raise: clear cleared
set: clear cleared reset unset
on: off
active: inactive cleared clear
activated: deactivated cleared
asserted: deasserted cleared
assert: deassert clear
start: end stop finish
started: ended stopped finished
begin: end
begun: ended
detected: cleared clear gone resolved
detect: clear
occurred: cleared resolved
onset: abated cleared clear abate
exceeded: normal cleared clear ok
exceed: normal clear ok
exceeds: normal clear
above: below
over: normal
high: normal ok cleared clear
low: normal ok cleared clear
critical: normal ok cleared clear
warning: normal ok cleared clear
major: normal ok cleared clear
minor: normal ok cleared clear
abnormal: normal
overload: normal ok cleared clear
degraded: normal restored ok recovered cleared
rising: falling
disconnected: connected reconnected
disconnect: connect reconnect
offline: online
unavailable: available
unreachable: reachable
disassociated: associated
removed: inserted installed replaced
removal: insertion
missing: present found
open: closed close
opened: closed
unlocked: locked
invalid: valid
bad: good ok
full: normal ok cleared
unhealthy: healthy
mismatch: match cleared resolved
added: removed
suspended: resumed
backward: established
dead: alive
unsynchronized: synchronized
`

// areOpposites says whether a word begins what another one ends.
func areOpposites(begin, end string) bool {
	_, line, ok := strings.Cut(opposites, "\n"+begin+":")
	line, _, _ = strings.Cut(line, "\n")
	return ok && strings.Contains(line+" ", " "+end+" ")
}

// endings are what is put after the name of a problem to name its end.
func endings() [][]string {
	return [][]string{
		{"cleared"},
		{"clear"},
		{"clr"},
		{"recovered"},
		{"recovery"},
		{"recover"},
		{"restored"},
		{"resolved"},
		{"normal"},
		{"ok"},
		{"ended"},
		{"end"},
		{"off"},
		{"gone"},
		{"rectified"},
		{"resume"},
		{"resumed"},
		{"abated"},
		{"deasserted"},
		{"return", "to", "normal"},
		{"returned", "to", "normal"},
		{"back", "to", "normal"},
		{"to", "normal"},
	}
}

// telling are the words of a notification's name that tell notifications
// apart.
func telling(name string) []string {
	return slices.DeleteFunc(wordsOf(name), func(w string) bool {
		switch w {
		case "trap", "traps", "notification", "notif", "notify", "event", "evt", "msg", "v2", "rev1":
			return true
		}
		return false
	})
}

// ends says whether a notification of the name clear ends what one of the name
// raise begins, as far as names tell.
func ends(clear, raise string) bool {
	c, r := telling(clear), telling(raise)
	if len(r) == 0 {
		return false
	}
	for _, ending := range endings() {
		if n := len(c) - len(ending); n > 0 && slices.Equal(c[n:], ending) && slices.Equal(c[:n], r) {
			return true
		}
	}
	if prefixed := len(c) == len(r)+1 && slices.Contains([]string{"clear", "cleared"}, c[0]) && slices.Equal(c[1:], r); prefixed {
		return true
	}
	if slices.Equal(c, []string{"bgp", "established"}) {
		return slices.Equal(r, []string{"bgp", "backward", "transition"}) || slices.Equal(r, []string{"bgp", "backward", "trans"})
	}
	return opposite(c, r)
}

// opposite says whether two names differ in one word alone, which has its
// opposite in the other: "not" before a word counts as part of it.
func opposite(clear, raise []string) bool {
	if len(raise) == len(clear)+1 {
		for i, w := range raise {
			if (w == "not" || w == "non" || w == "un" || w == "no") && slices.Equal(slices.Delete(slices.Clone(raise), i, i+1), clear) {
				return true
			}
		}
	}
	if len(raise) != len(clear) {
		return false
	}
	at := -1
	for i := range raise {
		if raise[i] == clear[i] {
			continue
		}
		if at >= 0 {
			return false
		}
		at = i
	}
	if at < 0 {
		return false
	}
	if raise[at] == "on" || raise[at] == "off" {
		return switched(raise, at) && clear[at] == map[string]string{"on": "off", "off": "on"}[raise[at]]
	}
	return areOpposites(raise[at], clear[at])
}

// switched says whether being on, or off, is the problem: an alarm that is on,
// power that is off.
func switched(words []string, at int) bool {
	good := slices.ContainsFunc(words, func(w string) bool {
		return slices.Contains([]string{"power", "powered", "fan", "psu", "supply", "outlet", "turned", "switched", "port"}, w)
	})
	bad := slices.ContainsFunc(words, func(w string) bool {
		return slices.Contains([]string{"alarm", "fault", "failure", "error", "battery", "bypass", "warning", "alert"}, w)
	})
	return (words[at] == "on") == (bad || !good)
}

// severityOf says how bad a notification is: by its tags, else by its name,
// else by the first sentence of its description.
func severityOf(tags, state string, name, description string) string {
	switch strings.ToUpper(tags) {
	case "CRITICAL", "FATAL", "EMERGENCY", "EMERGENCIES", "NON-RECOVERABLE", "ALERTS":
		return "critical"
	case "MAJOR", "SEVERE", "ERROR", "ERRORS":
		return "error"
	case "MINOR", "WARNING", "WARNINGS":
		return "warning"
	case "INFORMATIONAL", "INFORMATIONNAL", "INFO", "NORMAL", "NOTIFICATION", "NOTIFICATIONS", "DEBUGGING", "CLEARED", "OK":
		return "info"
	}
	words := telling(name)
	if s := worst(words); s != "" {
		return s
	}
	switch strings.ToUpper(state) {
	case "FAILED", "NONOPERATIONAL", "NON-OPERATIONAL":
		return "error"
	case "DEGRADED":
		return "warning"
	case "OK", "OPERATIONAL":
		return "info"
	}
	sentence, _, _ := strings.Cut(description, ". ")
	if s := worst(wordsOf(sentence)); s == "critical" || s == "error" {
		return s
	}
	return "warning"
}

// worst returns the severity that words stand for, or empty.
func worst(words []string) string {
	ladder := []struct{ severity, words string }{
		{"info", "cleared clear recovered recovery restored normal ok"},
		{"critical", "critical fatal emergency fire smoke shutdown panic overheat overheated meltdown disaster"},
		{"error", "fail failed fails failure failures fault faulty down lost loss error errors major unreachable dead offline " +
			"unavailable crash crashed disconnected abnormal exhausted corrupt corrupted broken backward battery"},
		{"warning", "warning minor exceeded exceed exceeds high low threshold degraded overload alarm mismatch missing violation " +
			"invalid denied attack removed expired conflict"},
		{"info", "up info informational started completed complete login logout cold warm start inserted added connected online " +
			"available success succeeded enabled created installed established changed change heartbeat test"},
	}
	for _, rung := range ladder {
		known := strings.Fields(rung.words)
		if slices.ContainsFunc(words, func(w string) bool { return slices.Contains(known, w) }) {
			return rung.severity
		}
	}
	return ""
}
