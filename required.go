package webhook

// What an event requires beside a source: enough for a receiver to know whom and what
// it is about. Each event says what it lacks: the field and the reason, or "".
//
// The campaign of an open, a click, a forward, a share and a bounce may be empty: that
// of a transactional mail is.

func (s *Subscriber) lacks() (field, reason string) {
	if s.ID == "" && s.Email == "" {
		return "Subscriber", "has neither an ID nor an Email: receivers would not know whom the event is about"
	}
	return "", ""
}

func (e Subscribe) lacks() (field, reason string)   { return e.Subscriber.lacks() }
func (e Unsubscribe) lacks() (field, reason string) { return e.Subscriber.lacks() }
func (e Update) lacks() (field, reason string)      { return e.Subscriber.lacks() }
func (e Open) lacks() (field, reason string)        { return e.Subscriber.lacks() }
func (e Forward) lacks() (field, reason string)     { return e.Subscriber.lacks() }

func (e Sent) lacks() (field, reason string) {
	if e.Campaign.ID == "" && e.Campaign.Name == "" {
		return "Campaign", "has neither an ID nor a Name: receivers would not know what is being sent"
	}
	return "", ""
}

func (e Click) lacks() (field, reason string) {
	if e.Link.ID == "" && e.Link.URL == "" {
		return "Link", "has neither an ID nor a URL: receivers would not know what was clicked"
	}
	return e.Subscriber.lacks()
}

func (e Share) lacks() (field, reason string) {
	if e.Details.Network == "" {
		return "Details.Network", "is empty: receivers would not know where the campaign was shared"
	}
	return e.Subscriber.lacks()
}

func (e Bounce) lacks() (field, reason string) {
	if t := e.Details.Type; t != BounceHard && t != BounceSoft {
		return "Details.Type", "is " + quote(string(t)) + ", neither hard nor soft; a complaint is an Unsubscribe"
	}
	return e.Subscriber.lacks()
}

func (e Custom) lacks() (field, reason string) {
	if e.Subscriber == nil {
		return "", ""
	}
	return e.Subscriber.lacks()
}
