package webhook

import "slices"

// Format is the dialect of the bodies that a webhook gets.
type Format string

const (
	// Format2013 is the form of ActiveCampaign's announcement of January 2013:
	// subscriber[email]=…, date_time=2013-01-02 09:28:42. It is the default.
	Format2013 Format = "2013"

	// FormatCurrent is the form seen since: contact[email]=…,
	// date_time=2017-09-21T11:33:13-05:00.
	FormatCurrent Format = "current"

	// FormatJSON is application/json with the names of the current form:
	// {"id": …, "type": "open", "contact": {"email": …}, …}. JSONSchema describes it.
	FormatJSON Format = "json"
)

// Formats returns all formats, the default one first.
func Formats() []Format { return []Format{Format2013, FormatCurrent, FormatJSON} }

// valid reports whether f is a format, or "", which is the default one.
func (f Format) valid() bool { return f == "" || slices.Contains(Formats(), f) }

// namesCustomer reports whether bodies hold a CustomerAccount.
func (f Format) namesCustomer() bool { return f == FormatCurrent || f == FormatJSON }
