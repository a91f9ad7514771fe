package ingest

import "time"

// Line is a syslog message. What its sender did not give is zero.
type Line struct {
	Facility int // 0 to 23 (RFC 5424 section 6.2.1); -1: the line had no PRI
	Severity int // 0 (emergency) to 7 (debug); -1: the line had no PRI and no other sign

	Timestamp time.Time // as the sender says; zero: none
	Hostname  string    // as the sender says
	AppName   string    // the tag of RFC 3164, the APP-NAME of RFC 5424
	ProcID    string
	MsgID     string
	Mnemonic  string // Cisco's %FACILITY-SEVERITY-MNEMONIC, with the per cent sign and without the colon

	// StructuredData is RFC 5424's, by SD-ID and parameter name; nil: none.
	StructuredData map[string]map[string]string

	Text string // the message proper, UTF-8, without what the other fields hold
	Raw  []byte // the whole line as it came
}
