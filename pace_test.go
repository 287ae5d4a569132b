package webhook

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestEmittingIsPacedWhileLanesAreCrowded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(limits{concurrency: 4, perWebhook: 4, perHost: 4})
		paced := func(n int) time.Duration {
			began := time.Now()
			tr.pace(n)
			return time.Since(began)
		}
		assert.Zero(t, paced(500))

		fs := tr.claim("a", "a", "a", "a", "b", "b", "b", "b", "c")
		assert.Zero(t, paced(500), "11 of 20 places are free")
		fs = append(fs, tr.claim("c")...)
		assert.Equal(t, 3*time.Millisecond, paced(3))
		assert.Equal(t, 50*time.Millisecond, paced(500))

		time.AfterFunc(2*time.Millisecond, fs[0].slot.release)
		assert.Equal(t, 2*time.Millisecond, paced(500), "until there is room")

		r := tr.reserve(500)
		time.AfterFunc(7*time.Millisecond, func() { tr.abort(r) })
		assert.Equal(t, 7*time.Millisecond, paced(500))

		r = tr.reserve(1)
		fs = append(fs, &flight{slot: tr.end(r, []string{"e"})[0]})
		for _, f := range fs[1:] {
			f.slot.release()
		}
		assert.Equal(t, time.Millisecond, paced(1), "the last claim found no end")
		r = tr.reserve(500)
		time.AfterFunc(7*time.Millisecond, func() { tr.end(r, nil) })
		assert.Equal(t, 7*time.Millisecond, paced(500))

		tr.end(tr.reserve(1), []string{"f"})
		time.AfterFunc(7*time.Millisecond, tr.close)
		assert.Equal(t, 7*time.Millisecond, paced(500), "until Shutdown")
		assert.Zero(t, paced(500))
	})
}
