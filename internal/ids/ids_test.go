package ids

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestANewEventIDIsAUUIDOfVersion7(t *testing.T) {
	at := time.UnixMilli(0x017F22E279B0) // of the example in RFC 9562, appendix A.6
	id := NewEvent(at)
	assert.Regexp(t, `^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
	assert.NotEqual(t, id, NewEvent(at))
	assert.Equal(t, "017f22e279b0", string(appendTime(nil, id)))
}

func TestAnEventIDMayBeNewAtItsTimeOnly(t *testing.T) {
	at := time.UnixMilli(0x017F22E279B0)
	id := NewEvent(at)
	assert.True(t, MayBeNew(id, at))
	assert.True(t, MayBeNew(id, at.Add(time.Microsecond)))
	assert.False(t, MayBeNew(id, at.Add(time.Millisecond)))
	for _, other := range []string{"", "order 17", strings.ReplaceAll(id, "-", "")} {
		assert.False(t, MayBeNew(other, at), other)
		assert.False(t, MayBeNew(other, time.UnixMilli(0)), other)
	}
}

func TestADeliveryIDBeginsWithTheTimeOfTheEventsID(t *testing.T) {
	const event = "017F22E2-79B0-7CC3-98C4-DC0C0C07398F"
	id := Delivery("1", "open", event)
	assert.Regexp(t, `^msg_017f22e279b0[0-9a-f]{24}$`, id)
	assert.Equal(t, id, Delivery("1", "open", event))
	for _, other := range []string{
		Delivery("2", "open", event), Delivery("1", "click", event),
		Delivery("1", "open", strings.ToLower(event)),
	} {
		assert.Equal(t, id[:16], other[:16])
		assert.NotEqual(t, id, other)
	}
	for _, event := range []string{
		"", "1", "open 42",
		"017F22E2-79B0-4CC3-98C4-DC0C0C07398F", // version 4
		"017F22E2-79BX-7CC3-98C4-DC0C0C07398F",
		"017F22E2.79B0-7CC3-98C4-DC0C0C07398F",
	} {
		id := Delivery("1", "open", event)
		assert.Regexp(t, `^msg_[0-9a-f]{32}$`, id)
		assert.False(t, strings.HasPrefix(id, "msg_017f"), event)
	}
}

// Stored deliveries have these IDs: another one would be a second delivery of
// the same event.
func TestADeliveryIDNeverChanges(t *testing.T) {
	assert.Equal(t, "msg_a546087fb8bd1522bc6fd3cd2d828532", Delivery("1", "open", "e1"))
	assert.Equal(t, "msg_017f22e279b0ff346e7606274146ce841adc", Delivery("1", "open", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F"))
}
