package tally

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"
)

// A Series is one of the resolutions of a Document.
type Series int

// The series: 24 hours, 7 days of four parts each, and 30 days. Spans begin at whole
// hours, at 0, 6, 12 and 18 o'clock, and at midnight, all in UTC.
const (
	Hours Series = iota
	SixHours
	Days
	allSeries
)

var (
	widths  = [allSeries]time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour}
	lengths = [allSeries]int{24, 28, 30}
	starts  = [allSeries + 1]int{0, 24, 52, 82} // of a series in Document.spans
)

// number is that of the span of a series which holds a time. Of one before 1971 it is
// as if in 1971, so that no number is negative.
func (s Series) number(at time.Time) int64 {
	const in1971 = 365 * 24 * 60 * 60
	return max(at.Unix(), in1971) / int64(widths[s]/time.Second)
}

// start is when a span begins.
func (s Series) start(number int64) time.Time {
	return time.Unix(number*int64(widths[s]/time.Second), 0).UTC()
}

// A Span is the counts of a span of time.
type Span struct {
	From, Until time.Time
	Counts
}

// A Document has the counts of a webhook, or of several, in each Series. The zero
// value is empty.
type Document struct {
	spans  [82]span // of each series a ring: a span's place is its number modulo the length
	writes []uint32 // the latest, oldest first
}

type span struct {
	number int64
	Counts
}

// maxWrites is how many writes a Document remembers.
const maxWrites = 64

// Add adds the counts of an hour to the spans that hold it, unless newer spans have
// taken their places. It forgets spans that begin after now, but for the next one: a
// process whose clock was wrong has counted there.
func (d *Document) Add(h Hour, now time.Time) {
	for s := range allSeries {
		ring := d.ring(s)
		for i := range ring {
			if ring[i].number > s.number(now)+1 {
				ring[i] = span{}
			}
		}
		if at := s.number(h.Start); at <= s.number(now)+1 {
			addTo(ring, at, &h.Counts)
		}
	}
}

func (d *Document) ring(s Series) []span { return d.spans[starts[s]:starts[s+1]] }

func addTo(ring []span, number int64, c *Counts) {
	at := &ring[int(number%int64(len(ring)))]
	switch {
	case at.number == number:
		at.Counts.Add(c)
	case at.number < number:
		*at = span{number, *c}
	}
}

// Merge adds the counts of another document.
func (d *Document) Merge(other *Document) {
	for s := range allSeries {
		for _, from := range other.ring(s) {
			if from.number > 0 {
				addTo(d.ring(s), from.number, &from.Counts)
			}
		}
	}
}

// Spans returns the spans of a series, oldest first. The last one holds now.
func (d *Document) Spans(s Series, now time.Time) []Span {
	spans := make([]Span, lengths[s])
	first := s.number(now) - int64(len(spans)) + 1
	for i := range spans {
		number := first + int64(i)
		spans[i].From, spans[i].Until = s.start(number), s.start(number+1)
		if at := d.ring(s)[number%int64(len(spans))]; at.number == number {
			spans[i].Counts = at.Counts
		}
	}
	return spans
}

// Wrote reports whether a write is among the latest that the document remembers.
func (d *Document) Wrote(id uint32) bool { return slices.Contains(d.writes, id) }

// Remember notes a write, so that it is not made twice.
func (d *Document) Remember(id uint32) {
	d.writes = append(d.writes, id)
	d.writes = d.writes[max(len(d.writes)-maxWrites, 0):]
}

// version is the first byte of a document.
const version = 1

// ErrVersion means that a later version of the library wrote the document.
var ErrVersion = errors.New("tally: the document is of a later version")

var errBroken = errors.New("tally: the document is broken")

// Bytes returns the document as Read takes it: at most 8 KiB.
func (d *Document) Bytes() []byte {
	b := []byte{version, byte(len(d.writes))}
	for _, id := range d.writes {
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	for s := range allSeries {
		for _, at := range d.ring(s) {
			if at.number > 0 {
				b = at.append(append(b, byte(s+1)))
			}
		}
	}
	return b
}

// append appends a span: numbers, with a bit for each bucket that is not empty.
func (at *span) append(b []byte) []byte {
	var full uint16
	for i, n := range at.took {
		if n > 0 {
			full |= 1 << i
		}
	}
	b = binary.AppendUvarint(b, uint64(at.number))
	for _, n := range [...]uint32{at.Attempts, at.Delivered, at.Failed} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = binary.LittleEndian.AppendUint16(b, full)
	for _, n := range at.took {
		if n > 0 {
			b = binary.AppendUvarint(b, uint64(n))
		}
	}
	return b
}

// Read makes d what the text holds: empty for an empty text, or for one that no version
// has written. ErrVersion is the only error.
func (d *Document) Read(text []byte) error {
	writes := d.writes[:0]
	*d = Document{writes: writes}
	err := d.parse(text)
	if err != nil {
		*d = Document{writes: writes}
	}
	if errors.Is(err, ErrVersion) {
		return err
	}
	return nil
}

func (d *Document) parse(text []byte) error {
	switch {
	case len(text) == 0:
		return nil
	case text[0] > version:
		return ErrVersion
	case len(text) < 2 || text[0] != version || text[1] > maxWrites || len(text) < 2+4*int(text[1]):
		return errBroken
	}
	r := reader{text: text[2:]}
	for range text[1] {
		d.writes = append(d.writes, uint32(r.fixed(4)))
	}
	for len(r.text) > 0 && !r.broken {
		s := Series(r.fixed(1)) - 1
		if s < 0 || s >= allSeries {
			return errBroken
		}
		at := span{number: int64(r.number())}
		at.Attempts, at.Delivered, at.Failed = uint32(r.number()), uint32(r.number()), uint32(r.number())
		full := r.fixed(2)
		for i := range at.took {
			if full&(1<<i) != 0 {
				at.took[i] = uint32(r.number())
			}
		}
		if at.number == 0 {
			return errBroken
		}
		addTo(d.ring(s), at.number, &at.Counts)
	}
	if r.broken {
		return errBroken
	}
	return nil
}

// A reader reads numbers from the beginning of a text.
type reader struct {
	text   []byte
	broken bool // the text ended, or held what is no number
}

// fixed reads a number of so many bytes.
func (r *reader) fixed(bytes int) (n uint64) {
	if r.broken = r.broken || len(r.text) < bytes; r.broken {
		return 0
	}
	for i := range bytes {
		n |= uint64(r.text[i]) << (8 * i)
	}
	r.text = r.text[bytes:]
	return n
}

// number reads one that takes as many bytes as it needs, and is below 2^32.
func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.text)
	if r.broken = r.broken || size <= 0 || n >= 1<<32; r.broken {
		return 0
	}
	r.text = r.text[size:]
	return n
}
