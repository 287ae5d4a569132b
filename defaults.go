package webhook

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/listhook/webhook/internal/sealed"
)

// defaultConcurrency is the default of Concurrency.
const defaultConcurrency = 256

// The ranges of some options. Beyond the greatest values, what is computed of them, such
// as the end of a lease, would overflow.
const (
	maxConcurrency  = 1_000_000
	maxProcesses    = 1000
	minDuration     = time.Millisecond // what a Store keeps of a time
	minStoreTimeout = time.Second / 10
	maxDuration     = 24 * time.Hour // of Timeout, StoreTimeout and PollInterval
)

// minBodyLimit is the least BodyLimit with CustomerAccount.
const minBodyLimit = 8 << 10

// withDefaults returns a copy of o with every field set, or an *InvalidError.
func (o *Options) withDefaults() (Options, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if err := opts.refuseNegative(); err != nil {
		return Options{}, err
	}
	opts.setDefaults()
	for _, check := range []func() error{
		opts.checkRanges, opts.checkKeys, opts.Buffer.setDefaults, opts.setCatalogue, opts.checkRetention,
	} {
		if err := check(); err != nil {
			return Options{}, err
		}
	}
	return opts, nil
}

// refuseNegative returns an *InvalidError for a negative value where it has no meaning.
func (o *Options) refuseNegative() error {
	for _, f := range []struct {
		name     string
		negative bool
	}{
		{"Concurrency", o.Concurrency < 0},
		{"PerWebhook", o.PerWebhook < 0},
		{"PerHost", o.PerHost < 0},
		{"Processes", o.Processes < 0},
		{"Timeout", o.Timeout < 0},
		{"PollInterval", o.PollInterval < 0},
		{"StoreTimeout", o.StoreTimeout < 0},
		{"OrderWait", o.OrderWait < 0},
		{"BodyLimit", o.BodyLimit < 0},
		{"KeepLimit", o.KeepLimit < 0},
		{"Buffer.Events", o.Buffer.Events < 0},
		{"Buffer.Bytes", o.Buffer.Bytes < 0},
		{"Buffer.Group", o.Buffer.Group < 0},
		{"Buffer.Wait", o.Buffer.Wait < 0},
	} {
		if f.negative {
			return invalid("Options."+f.name, "is negative")
		}
	}
	return nil
}

// setDefaults sets each field that is zero, but for those that a check sets.
func (o *Options) setDefaults() {
	setDefault(&o.Concurrency, defaultConcurrency)
	setDefault(&o.PerWebhook, 32)
	setDefault(&o.PerHost, (o.Concurrency+1)/2)
	setDefault(&o.Processes, 1)
	setDefault(&o.Timeout, 15*time.Second)
	setDefault(&o.PollInterval, time.Second)
	setDefault(&o.StoreTimeout, 15*time.Second)
	setDefault(&o.Retention, 30*24*time.Hour)
	setDefault(&o.KeepLimit, 100_000)
	setDefault(&o.OrderWait, time.Hour)
	setDefault(&o.DisableAfter, 5*24*time.Hour)
	setDefault(&o.BodyLimit, 256<<10)
	setDefault(&o.UserAgent, "listhook/1 (webhooks)")
	if o.Backoff == nil {
		o.Backoff = Schedule(defaultDelays...)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

// checkRanges returns an *InvalidError for a value that is too small, too large or not
// usable.
func (o *Options) checkRanges() error {
	if err := checkConcurrency("Options.Concurrency", o.Concurrency); err != nil {
		return err
	}
	switch {
	case o.Processes > maxProcesses:
		return invalid("Options.Processes", fmt.Sprintf("is %d; it must be at most %d", o.Processes, maxProcesses))
	case o.CustomerAccount != nil && o.BodyLimit < minBodyLimit:
		return invalid("Options.BodyLimit", fmt.Sprintf("is %d; with CustomerAccount it must be at least %d", o.BodyLimit, minBodyLimit))
	case !isHeaderValue(o.UserAgent):
		return invalid("Options.UserAgent", "is not a valid header value")
	}
	for _, f := range []struct {
		name         string
		value, least time.Duration
	}{
		{"Timeout", o.Timeout, minDuration},
		{"PollInterval", o.PollInterval, minDuration},
		{"StoreTimeout", o.StoreTimeout, minStoreTimeout},
	} {
		switch {
		case f.value < f.least:
			return invalid("Options."+f.name, fmt.Sprintf("is %s; it must be at least %s", f.value, f.least))
		case f.value > maxDuration:
			return invalid("Options."+f.name, fmt.Sprintf("is %s; it must be at most %s", f.value, maxDuration))
		}
	}
	return nil
}

// checkConcurrency returns an *InvalidError for a Concurrency that is too large.
func checkConcurrency(field string, n int) error {
	if n > maxConcurrency {
		return invalid(field, fmt.Sprintf("is %d; it must be at most %d", n, maxConcurrency))
	}
	return nil
}

// checkKeys returns an *InvalidError for a key that has the wrong size.
func (o *Options) checkKeys() error {
	for _, key := range o.EncryptionKeys {
		if len(key) != sealed.KeySize {
			return invalid("Options.EncryptionKeys", fmt.Sprintf("has a key of %d bytes; a key must have %d", len(key), sealed.KeySize))
		}
	}
	return validateSearchKey(o.SearchKey)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
