package webhook

// Searchable reports whether deliveries can be found by Subject: whether there is an
// Options.SearchKey.
func (d *Dispatcher) Searchable() bool { return len(d.opts.SearchKey) > 0 }

// Subject returns the DeliveryQuery.Subject with which the deliveries of an account are
// found that are about a subscriber, by ID or by email address, a campaign or an event:
// those whose value is exactly this one, in an email address whatever its case. They
// must have been emitted with the same Options.SearchKey. The result tells nobody the
// value who does not have the key.
//
// Without a SearchKey, of an unknown kind and of an empty value it is an *InvalidError.
func (d *Dispatcher) Subject(account string, kind SubjectKind, value string) (string, error) {
	switch {
	case !d.Searchable():
		return "", invalid("Options.SearchKey", "is not set: deliveries are not found by what they are about")
	case !kind.valid():
		return "", invalid("kind", "is the unknown "+quote(string(kind)))
	case value == "":
		return "", invalid(string(kind), "is empty")
	}
	return d.hasher.hash(account, kind, value), nil
}
