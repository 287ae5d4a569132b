package manage

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// errForbidden is returned to those who may not do what they ask for.
var errForbidden = errors.New("you may not do this")

// errBusy is returned to an account that calls too often. It is the seconds
// after which it may call again.
type errBusy int

func (e errBusy) Error() string {
	return fmt.Sprintf("The account calls too often: wait %d s.", int(e))
}

// byKey returns the account of a key. It takes a token of the account's rate.
func (h *handler) byKey(r *http.Request, key string) (*account, error) {
	if key == "" || len(key) > 4096 || h.opts.Key == nil {
		return nil, errForbidden
	}
	access, err := h.opts.Key(r.Context(), key)
	if err != nil {
		return nil, fmt.Errorf("webhook: Options.Key: %w", err)
	}
	if !access.allows(rightAny) {
		return nil, errForbidden
	}
	if ok, seconds := h.rates.take(access.Account, time.Now()); !ok {
		return nil, errBusy(seconds)
	}
	return &account{h, access}, nil
}
