package v3

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/listhook/webhook/manage/internal/account"
)

// A client that got no answer to a POST does not know whether it was done. With the
// header Idempotency-Key it can send it again: what was done before is answered as
// before. The answers are in this process's memory.

const (
	idempotencyHeader = "Idempotency-Key"
	idempotencyKept   = 24 * time.Hour
	idempotencyMost   = 10_000 // answers
	idempotencyLong   = 255    // bytes of a key
)

// answers are those to POSTs with a key. The zero value has none.
type answers struct {
	mu     sync.Mutex // guards all below
	byCall map[callKey]*remembered
	oldest []callKey // in the order in which they came
}

// A callKey is a client's key in an account. Another API key may see less of the account, so
// each API key has keys of its own.
type callKey struct {
	account string
	token   [sha256.Size]byte // the hash of the API key
	key     string
}

// A remembered is the answer to a call.
type remembered struct {
	serving chan struct{} // has an element while the call is being served
	request [sha256.Size]byte
	at      time.Time
	status  int // 0: there is none to repeat
	answer  any
}

// once serves a call, or returns the answer to an earlier one with the same key. It
// does not remember a call that failed or was refused: the client may use the key again,
// also for a corrected call.
func (as *answers) once(c *account.Caller, r *http.Request, serve func() (int, any, error)) (status int, answer any, again bool, err error) {
	key := r.Header.Get(idempotencyHeader)
	if key == "" || r.Method != http.MethodPost {
		status, answer, err = serve()
		return status, answer, false, err
	}
	if len(key) > idempotencyLong {
		return 0, nil, false, fault(codeInvalid, idempotencyHeader, "is longer than 255 bytes")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, nil, false, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	request := sha256.Sum256(append([]byte(r.Method+" "+r.URL.Path+"\n"), body...))
	known := as.find(callKey{c.Account, sha256.Sum256([]byte(r.Header.Get(tokenHeader))), key}, time.Now())
	select {
	case known.serving <- struct{}{}:
		defer func() { <-known.serving }()
	case <-r.Context().Done():
		return 0, nil, false, r.Context().Err()
	}
	switch {
	case known.status != 0 && known.request != request:
		return 0, nil, false, fault(codeInvalid, idempotencyHeader, "was used for another call")
	case known.status != 0:
		return known.status, known.answer, true, nil
	}
	status, answer, err = serve()
	if err == nil && status < 400 {
		known.request, known.status, known.answer = request, status, answer
	}
	return status, answer, false, err
}

// find returns what is known of a call, and forgets what is too old or too much.
func (as *answers) find(key callKey, now time.Time) *remembered {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.byCall == nil {
		as.byCall = map[callKey]*remembered{}
	}
	for len(as.oldest) > 0 {
		first := as.oldest[0]
		if len(as.oldest) < idempotencyMost && now.Sub(as.byCall[first].at) < idempotencyKept {
			break
		}
		delete(as.byCall, first)
		as.oldest = as.oldest[1:]
	}
	known := as.byCall[key]
	if known == nil {
		known = &remembered{serving: make(chan struct{}, 1), at: now}
		as.byCall[key] = known
		as.oldest = append(as.oldest, key)
	}
	return known
}
