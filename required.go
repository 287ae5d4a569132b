package webhook

// What an event requires beside a source: enough for a receiver to know whom and what
// it is about, and counts that are not negative. Each event says what is wrong with it:
// the field and the reason, or "".
//
// The campaign of an open, a click, a forward, a share and a bounce may be empty: that
// of a transactional mail is.

const reasonNegative = "is negative"

func (s *Subscriber) fault() (field, reason string) {
	if s.ID == "" && s.Email == "" {
		return "Subscriber", "has neither an ID nor an Email: receivers would not know whom the event is about"
	}
	return "", ""
}

// fault says what is wrong with a campaign; nil is none.
func (c *Campaign) fault() (field, reason string) {
	if c != nil && c.Recipients < 0 {
		return "Campaign.Recipients", reasonNegative
	}
	return "", ""
}

// faultOf says what is wrong with the campaign and the subscriber of an event.
func faultOf(c *Campaign, s *Subscriber) (field, reason string) {
	if field, reason := c.fault(); field != "" {
		return field, reason
	}
	return s.fault()
}

func (e Subscribe) fault() (field, reason string)   { return e.Subscriber.fault() }
func (e Unsubscribe) fault() (field, reason string) { return faultOf(e.Campaign, &e.Subscriber) }
func (e Update) fault() (field, reason string)      { return e.Subscriber.fault() }
func (e Open) fault() (field, reason string)        { return faultOf(&e.Campaign, &e.Subscriber) }

func (e Forward) fault() (field, reason string) {
	if e.Details.Count < 0 {
		return "Details.Count", reasonNegative
	}
	return faultOf(&e.Campaign, &e.Subscriber)
}

func (e Sent) fault() (field, reason string) {
	if e.Campaign.ID == "" && e.Campaign.Name == "" {
		return "Campaign", "has neither an ID nor a Name: receivers would not know what is being sent"
	}
	return e.Campaign.fault()
}

func (e Click) fault() (field, reason string) {
	if e.Link.ID == "" && e.Link.URL == "" {
		return "Link", "has neither an ID nor a URL: receivers would not know what was clicked"
	}
	return faultOf(&e.Campaign, &e.Subscriber)
}

func (e Share) fault() (field, reason string) {
	if e.Details.Network == "" {
		return "Details.Network", "is empty: receivers would not know where the campaign was shared"
	}
	return faultOf(&e.Campaign, &e.Subscriber)
}

func (e Bounce) fault() (field, reason string) {
	if t := e.Details.Type; t != BounceHard && t != BounceSoft {
		return "Details.Type", "is " + quote(string(t)) + ", neither hard nor soft; a complaint is an Unsubscribe"
	}
	return faultOf(&e.Campaign, &e.Subscriber)
}

func (e Custom) fault() (field, reason string) {
	if e.Subscriber == nil {
		return e.Campaign.fault()
	}
	return faultOf(e.Campaign, e.Subscriber)
}
