package history

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// copyRows are rows in COPY's binary format (PostgreSQL manual, SQL commands,
// COPY, "Binary Format"): what costs Postgres least to take in. Fields are
// added in the order of the columns that into names.
type copyRows struct {
	buf []byte
	n   int // rows
}

// maxKept bounds the memory that is kept for the rows of later batches.
const maxKept = 4 << 20

// reset takes the rows away, and keeps the memory that they took.
func (c *copyRows) reset() {
	if cap(c.buf) > maxKept {
		c.buf = nil
	}
	c.buf, c.n = c.buf[:0], 0
}

// row begins a row of so many fields.
func (c *copyRows) row(fields int16) {
	if c.n == 0 {
		c.buf = append(c.buf, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	}
	c.buf = binary.BigEndian.AppendUint16(c.buf, uint16(fields)) //nolint:gosec // positive
	c.n++
}

func (c *copyRows) length(n int) {
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(n)) //nolint:gosec // a field is far from 2 GB
}

func (c *copyRows) null() { c.length(-1) }

func (c *copyRows) text(s string) {
	c.length(len(s))
	c.buf = append(c.buf, s...)
}

func (c *copyRows) textOrNull(s string) {
	if s == "" {
		c.null()
		return
	}
	c.text(s)
}

// bytea adds b, or null where it is nil.
func (c *copyRows) bytea(b []byte) {
	if b == nil {
		c.null()
		return
	}
	c.length(len(b))
	c.buf = append(c.buf, b...)
}

// jsonb adds a JSON text, or null where it is nil.
func (c *copyRows) jsonb(b []byte) {
	if b == nil {
		c.null()
		return
	}
	c.length(1 + len(b))
	c.buf = append(c.buf, 1) // the format's version
	c.buf = append(c.buf, b...)
}

// uuid adds id, or null where it is zero.
func (c *copyRows) uuid(id uuid.UUID) {
	if id == uuid.Nil {
		c.null()
		return
	}
	c.length(len(id))
	c.buf = append(c.buf, id[:]...)
}

func (c *copyRows) smallint(n int) {
	c.length(2)
	c.buf = binary.BigEndian.AppendUint16(c.buf, uint16(n)) //nolint:gosec // a small figure of ours
}

func (c *copyRows) bigint(n int64) {
	c.length(8)
	c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(n)) //nolint:gosec // two's complement
}

// epoch is Postgres' in microseconds of Unix time: 2000-01-01 00:00 UTC.
const epoch = 946_684_800_000_000

// timestamptz adds t, cut to the microsecond.
func (c *copyRows) timestamptz(t time.Time) { c.bigint(t.UnixMicro() - epoch) }

func (c *copyRows) timestamptzOrNull(t *time.Time) {
	if t == nil {
		c.null()
		return
	}
	c.timestamptz(*t)
}

// timestamptzArray adds times, or null where there are none.
func (c *copyRows) timestamptzArray(times []time.Time) {
	if len(times) == 0 {
		c.null()
		return
	}
	const oid = 1184 // of timestamptz
	c.length(20 + 12*len(times))
	for _, n := range []uint32{1, 0, oid, uint32(len(times)), 1} { //nolint:gosec // dimensions, no nulls, type, length, lower bound
		c.buf = binary.BigEndian.AppendUint32(c.buf, n)
	}
	for _, t := range times {
		c.timestamptz(t)
	}
}

func (c *copyRows) boolean(b bool) {
	c.length(1)
	if b {
		c.buf = append(c.buf, 1)
	} else {
		c.buf = append(c.buf, 0)
	}
}

// inet adds a without its zone, or null where it is not valid.
func (c *copyRows) inet(a netip.Addr) {
	if !a.IsValid() {
		c.null()
		return
	}
	const ipv4, ipv6 = 2, 3 // Postgres' own constants
	family := byte(ipv6)
	if a.Is4() {
		family = ipv4
	}
	c.length(4 + a.BitLen()/8)
	c.buf = append(c.buf, family, byte(a.BitLen()), 0, byte(a.BitLen()/8)) //nolint:gosec // 32 or 128
	c.buf = append(c.buf, a.AsSlice()...)
}

// into sends the rows, and takes them away. target is a table and its columns: "t (a, b)".
func (c *copyRows) into(ctx context.Context, conn *pgx.Conn, target string) error {
	defer c.reset()
	if c.n == 0 {
		return nil
	}
	c.buf = append(c.buf, 0xff, 0xff)
	_, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(c.buf), "COPY "+target+" FROM STDIN BINARY")
	if err != nil {
		c.buf = nil // where the connection broke, pgx still reads it for a moment
	}
	return err
}
