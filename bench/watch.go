package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// A watch asks the receiver what has arrived.
type watch struct{ control string }

// expect begins a new reception.
func (w watch) expect(ctx context.Context, e expectation) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return w.call(ctx, http.MethodPost, "/expect", body, nil)
}

// report returns what has arrived when the reception is complete or the wait
// is over.
func (w watch) report(ctx context.Context, wait time.Duration, latencies bool) (r receptionReport, err error) {
	path := "/report?wait=" + wait.String()
	if latencies {
		path += "&latencies=1"
	}
	return r, w.call(ctx, http.MethodGet, path, nil, &r)
}

// stall is after how long without an arrival what is missing is lost. It is
// above every poll interval and first retry, and below no lease.
const stall = 45 * time.Second

// complete waits until all plain events have arrived. It returns an error if
// some do not come, or come without the signature that is due.
func (w watch) complete(ctx context.Context, e expectation, signed bool) (receptionReport, error) {
	before, since := 0, time.Now()
	for {
		r, err := w.report(ctx, time.Second, false)
		if err != nil {
			return r, err
		}
		if r.Plain >= e.Plain {
			if signed && r.Signed < r.Plain {
				return r, fmt.Errorf("%d of %d events had no signature", r.Plain-r.Signed, r.Plain)
			}
			return w.report(ctx, 0, true)
		}
		if r.Plain > before {
			before, since = r.Plain, time.Now()
		}
		if time.Since(since) > stall {
			return r, fmt.Errorf("only %d of %d events arrived", r.Plain, e.Plain)
		}
	}
}

func (w watch) call(ctx context.Context, method, path string, body []byte, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+w.control+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the receiver does not answer: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the receiver answered %s", resp.Status)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}
