package tally

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 3, 31, 12, 30, 0, 0, time.UTC)

// hour returns an hour in which so many attempts delivered within a time.
func hour(at time.Time, attempts int, took time.Duration) Hour {
	h := Hour{Start: at.Truncate(time.Hour)}
	for range attempts {
		h.Attempts++
		h.Delivered++
		h.Took(took)
	}
	return h
}

func TestSpansCoverTheDayTheWeekAndTheMonthUntilNow(t *testing.T) {
	d := &Document{}
	for _, ago := range []time.Duration{0, time.Hour, 23 * time.Hour, 24 * time.Hour, 6 * 24 * time.Hour, 29 * 24 * time.Hour, 40 * 24 * time.Hour} {
		d.Add(hour(noon.Add(-ago), 1, time.Second), noon)
	}
	d.Add(hour(noon, 1, time.Second), noon)
	for _, c := range []struct {
		series      Series
		from, until time.Time
		width       time.Duration
		all, last   int
	}{
		{Hours, noon.Add(-23*time.Hour - 30*time.Minute), noon.Add(30 * time.Minute), time.Hour, 4, 2},
		{SixHours, time.Date(2026, 3, 24, 18, 0, 0, 0, time.UTC), time.Date(2026, 3, 31, 18, 0, 0, 0, time.UTC), 6 * time.Hour, 6, 2},
		{Days, time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), 24 * time.Hour, 7, 3},
	} {
		spans := d.Spans(c.series, noon)
		require.Len(t, spans, lengths[c.series])
		assert.Equal(t, c.from, spans[0].From)
		assert.Equal(t, c.until, spans[len(spans)-1].Until)
		all := 0
		for i, s := range spans {
			assert.Equal(t, c.width, s.Until.Sub(s.From))
			if i > 0 {
				assert.Equal(t, spans[i-1].Until, s.From)
			}
			all += int(s.Attempts)
		}
		assert.Equal(t, c.all, all, c.series)
		assert.EqualValues(t, c.last, spans[len(spans)-1].Attempts, c.series)
	}
}

func TestQuantilesAreInterpolated(t *testing.T) {
	for _, c := range []struct {
		took []time.Duration
		q    float64
		want time.Duration
	}{
		{nil, 0.5, 0},
		{[]time.Duration{time.Millisecond}, 0.5, 5 * time.Millisecond},
		{[]time.Duration{15 * time.Millisecond}, 0.5, 15 * time.Millisecond},
		{[]time.Duration{15 * time.Millisecond, 15 * time.Millisecond, 1500 * time.Millisecond}, 0.5, 17500 * time.Microsecond},
		{[]time.Duration{15 * time.Millisecond, 1500 * time.Millisecond}, 1, 2 * time.Second},
		{[]time.Duration{10 * time.Millisecond}, 1, 10 * time.Millisecond},
		{[]time.Duration{time.Hour}, 0.5, 32 * time.Second},
		{[]time.Duration{time.Second}, -1, 500 * time.Millisecond},
		{[]time.Duration{time.Second}, 7, time.Second},
	} {
		var counts Counts
		for _, d := range c.took {
			counts.Took(d)
		}
		assert.Equal(t, c.want, counts.Quantile(c.q), "%v of %v", c.q, c.took)
	}
}

func TestADocumentIsReadAsItWasWritten(t *testing.T) {
	d := &Document{}
	for i := range 40 * 24 {
		at := noon.Add(time.Duration(i) * time.Hour)
		d.Add(hour(at, i%7, time.Duration(i)*time.Millisecond), at)
	}
	d.Remember(7)
	d.Remember(1 << 31)
	read := &Document{}
	require.NoError(t, read.Read(d.Bytes()))
	assert.Equal(t, d, read)
	assert.True(t, read.Wrote(7))
	assert.False(t, read.Wrote(8))
}

func TestADocumentIsNeverLongerThan8KiB(t *testing.T) {
	d := &Document{}
	full := Counts{Attempts: math.MaxUint32, Delivered: math.MaxUint32, Failed: math.MaxUint32}
	for i := range full.took {
		full.took[i] = math.MaxUint32
	}
	var at time.Time
	for i := range 31 * 24 {
		at = time.Date(9999, 12, 1, i, 0, 0, 0, time.UTC)
		for range 2 {
			d.Add(Hour{Start: at, Counts: full}, at)
		}
	}
	for i := range uint32(1000) {
		d.Remember(math.MaxUint32 - i)
	}
	text := d.Bytes()
	assert.LessOrEqual(t, len(text), 8<<10)
	read := &Document{}
	require.NoError(t, read.Read(text))
	assert.Equal(t, full, read.Spans(Days, at)[29].Counts, "a count stops at its end")
	assert.True(t, read.Wrote(math.MaxUint32-999))
	assert.False(t, read.Wrote(math.MaxUint32-900), "the oldest writes are forgotten")
}

func TestDocumentsAreMerged(t *testing.T) {
	a, b := &Document{}, &Document{}
	a.Add(hour(noon, 2, time.Second), noon)
	b.Add(hour(noon, 3, 40*time.Second), noon)
	b.Add(hour(noon.Add(-5*time.Hour), 4, time.Second), noon)
	a.Merge(b)
	spans := a.Spans(Hours, noon)
	assert.EqualValues(t, 5, spans[23].Attempts)
	assert.EqualValues(t, 4, spans[18].Attempts)
	assert.Equal(t, 32*time.Second, spans[23].Quantile(0.9))
}

// A process whose clock is ahead takes the places of a few old spans until another one
// adds to the document.
func TestSpansOfAWrongClockAreForgotten(t *testing.T) {
	d := &Document{}
	d.Add(hour(noon, 1, time.Second), noon)
	ahead := noon.AddDate(1, 0, 0)
	d.Add(hour(ahead, 1, time.Second), ahead)
	d.Add(hour(noon, 1, time.Second), noon)
	read := &Document{}
	require.NoError(t, read.Read(d.Bytes()))
	assert.Zero(t, read.Spans(Hours, ahead)[23].Attempts)
	assert.NotZero(t, read.Spans(Hours, noon)[23].Attempts)
	d.Add(hour(ahead, 1, time.Second), noon)
	assert.Zero(t, d.Spans(Hours, ahead)[23].Attempts, "nor are counts of a time that has not come taken")
	assert.NotPanics(t, func() { d.Spans(Days, time.Time{}) })
}

func TestADocumentOfALaterVersionIsLeftAlone(t *testing.T) {
	d := &Document{}
	d.Add(hour(noon, 1, time.Second), noon)
	assert.ErrorIs(t, d.Read([]byte{version + 1, 0}), ErrVersion)
	assert.Zero(t, d.Spans(Days, noon)[29].Attempts)
}

func FuzzRead(f *testing.F) {
	d := &Document{}
	d.Add(hour(noon, 3, time.Second), noon)
	d.Remember(5)
	f.Add(d.Bytes())
	f.Add([]byte{})
	f.Add([]byte{version, 200})
	f.Fuzz(func(t *testing.T, text []byte) {
		d, again := &Document{}, &Document{}
		d.Add(hour(noon, 3, time.Second), noon)
		if d.Read(text) != nil {
			return
		}
		require.NoError(t, again.Read(d.Bytes()))
		assert.True(t, bytes.Equal(d.Bytes(), again.Bytes()))
		assert.LessOrEqual(t, len(d.Bytes()), 8<<10)
	})
}
