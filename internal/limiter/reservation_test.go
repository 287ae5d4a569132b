package limiter

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAClaimLearnsWhichQueuesHaveABacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(defaults)
		full := make([]string, capacity(startLimit))
		for i := range full {
			full[i] = "full"
		}
		ds := l.claim(append(full, "few")...)
		assert.True(t, l.queue("full").backlog, "it got as many as it has room for: there may be more")
		assert.False(t, l.queue("few").backlog)
		assert.Nil(t, l.TryAcquire("full", 0), "older deliveries go first")

		r := l.Reserve(500)
		assert.Equal(t, 0, r.Room["full"])
		for i, d := range ds[:startLimit] {
			d.slot.Release()
			assert.Equal(t, i == startLimit-1, l.wakes > 0, "a backlog asks for a claim when half of those that waited are gone")
		}
		l.ExpectBacklog("few") // emitted while the claim is under way
		l.Fill(r, nil)
		assert.True(t, l.queue("few").backlog)
		ds[len(ds)-1].slot.Release()

		l.Fill(l.Reserve(500), nil)
		assert.False(t, l.queue("full").backlog, "it got nothing where it had room")
		assert.False(t, l.queue("few").backlog)
	})
}

// A claim may come after a delivery was given back and before it is stored.
func TestADeliveryThatWasGivenBackIsClaimedOnceItIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(defaults)
		for l.emit("w") != nil {
		}
		ds := l.send()
		ds[0].slot.Finish(false, false)
		require.Len(t, l.givenBack, capacity(startLimit)-1-capacity(startLimit/2))
		for ; len(ds) > 0; ds = l.send() {
			for _, d := range ds {
				d.slot.Release()
			}
		}
		r := l.Reserve(500)
		require.NotZero(t, r.Room["w"])
		l.Fill(r, nil)
		l.wakes = 0
		l.store()
		assert.NotZero(t, l.wakes)
		assert.Nil(t, l.TryAcquire("w", 0), "older deliveries go first")
	})
}

// A delivery that no newer one can overtake asks for a claim, and leaves the path of
// the others free.
func TestAnOrderedDeliveryIsNoBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(defaults)
		assert.True(t, l.NoteOrdered("w"))
		assert.Empty(t, l.Stats().Queues)
		assert.NotNil(t, l.emit("w"))
		assert.True(t, l.NoteOrdered("w"))
		assert.NotNil(t, l.emit("w"), "others do not wait for a claim")

		full := make([]string, l.Reserve(500).Room["w"])
		for i := range full {
			full[i] = "w"
		}
		l.claim(full...)
		assert.False(t, l.NoteOrdered("w"), "there is no room for a claim now")
		l.wakes = 0
		for _, d := range l.send() {
			d.slot.Release()
		}
		assert.NotZero(t, l.wakes, "one follows once there is")
	})
}

func TestAnIdleQueueIsForgottenUnlessItsReceiverFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, good := range []bool{true, false} {
			l := newTestLimiter(defaults)
			l.emit("w")
			l.send()[0].answered(good)
			assert.Equal(t, !good, l.queues["w"] != nil)
		}
	})
}
