package webhook

// Searchable reports whether deliveries can be found by Subject: whether there is an
// Options.SearchKey.
func (d *Dispatcher) Searchable() bool { return len(d.opts.SearchKey) > 0 }

// Subject returns the value to set in DeliveryQuery.Subject to find the deliveries of an
// account about a subscriber, by ID or by email address, a campaign or an event. The
// match is exact, but for the case of an email address. The deliveries must have been
// emitted with the same Options.SearchKey. Without the key the result reveals nothing of
// the value.
//
// A missing SearchKey, an unknown kind and an empty value are an *InvalidError.
func (d *Dispatcher) Subject(account string, kind SubjectKind, value string) (string, error) {
	switch {
	case !d.Searchable():
		return "", invalid("Options.SearchKey", "is not set: deliveries can be found by subscriber, campaign or event only with it")
	case !kind.valid():
		return "", invalid("kind", "is "+quote(string(kind))+", not a known kind of subject")
	case value == "":
		return "", invalid(string(kind), "is empty")
	}
	return d.hasher.hash(account, kind, value), nil
}
