package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// The loop is the baseline: its callers POST by themselves, and nothing is durable,
// signed or logged.
type loop struct {
	*job
	poster poster
}

func openLoop(_ context.Context, j *job) (subject, error) {
	return &loop{job: j, poster: newPoster()}, nil
}

func (l *loop) emit(ctx context.Context, e event) error {
	return l.poster.post(ctx, l.url(l.target(e.target)), e.body())
}

func (l *loop) start(context.Context) error { return nil }
func (l *loop) stop(context.Context) error  { return nil }
func (l *loop) close()                      {}

// A poster sends requests for the loop and the peers, which make none themselves,
// through a transport that keeps its connections.
type poster struct{ client *http.Client }

func newPoster() poster {
	return poster{&http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
		MaxIdleConns: 4096, MaxIdleConnsPerHost: 256, DisableCompression: true,
	}}}
}

// post sends a body to a URL. Any answer but a 2xx is an error.
func (p poster) post(ctx context.Context, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answered %s", resp.Status)
	}
	return nil
}
