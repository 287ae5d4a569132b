package webhook

import (
	"fmt"
	"net/http"
	"time"

	"github.com/listhook/webhook/internal/limiter"
)

// A Pool is what several Dispatchers of one process share, as when the accounts are
// spread over databases: the HTTP client, the limits on all attempts and on those to
// one host, and the goroutines that make attempts. Webhooks of all Dispatchers take
// turns as those of one do. A store that hangs stops only the attempts of its own
// Dispatcher. NewPool makes one. A Pool is safe for concurrent use, and needs no closing.
type Pool struct {
	transport http.RoundTripper
	timeout   time.Duration // the client's; 0: it has none
	limits    *limiter.Pool[*inflight]
	workers   *goroutines
}

// PoolOptions configure a Pool. The zero value of every field is its default.
type PoolOptions struct {
	// Concurrency and PerHost are those of Options, for all Dispatchers of the
	// Pool together.
	Concurrency int
	PerHost     int
}

// NewPool returns a Pool. The client sends the requests, as that of New does; nil means
// NewClient(nil). Nil options are the defaults. An option that is out of range, here, in
// client's ClientOptions or as its Timeout, is an *InvalidError.
func NewPool(client *http.Client, opts *PoolOptions) (*Pool, error) {
	var o PoolOptions
	if opts != nil {
		o = *opts
	}
	switch {
	case o.Concurrency < 0:
		return nil, invalid("PoolOptions.Concurrency", "is negative")
	case o.PerHost < 0:
		return nil, invalid("PoolOptions.PerHost", "is negative")
	}
	if err := checkConcurrency("PoolOptions.Concurrency", o.Concurrency); err != nil {
		return nil, err
	}
	return newPool(client, o)
}

func newPool(client *http.Client, o PoolOptions) (*Pool, error) {
	p := &Pool{transport: transportOf(client)}
	if err := refuseNil("client.Transport", p.transport); err != nil {
		return nil, err
	}
	if broken, ok := p.transport.(brokenTransport); ok {
		return nil, broken.err
	}
	if client != nil {
		p.timeout = client.Timeout
	}
	if p.timeout > 0 && p.timeout < minDuration {
		return nil, invalid("client.Timeout", fmt.Sprintf("is %s; it must be at least %s", p.timeout, minDuration))
	}
	setDefault(&o.Concurrency, defaultConcurrency)
	setDefault(&o.PerHost, (o.Concurrency+1)/2)
	p.limits = limiter.NewPool[*inflight](limiter.Config{Concurrency: o.Concurrency, PerHost: o.PerHost})
	p.workers = newGoroutines(o.Concurrency)
	return p, nil
}

// idlePolls is how many polls a second the idle Dispatchers of a Pool make together,
// unless their intervals would be longer than maxIdleInterval.
const (
	idlePolls       = 20
	maxIdleInterval = 10 * time.Second
)

// idleInterval returns the interval between the polls of an idle Dispatcher.
func (p *Pool) idleInterval(pollInterval time.Duration) time.Duration {
	return max(pollInterval, min(time.Duration(p.workers.running())*time.Second/idlePolls, maxIdleInterval))
}
