package webhook

import "time"

// Sample returns an event of type t as a mailing app might emit it, for tests
// and documentation; the one of TypeSubscribe has exactly the data that the
// announcement of January 2013 shows. The caller may change it. For a type
// that is not one of the nine it returns nil.
func Sample(t EventType) Event {
	m := sampleMeta(SourcePublic)
	person := Subscriber{
		ID:        "12",
		Email:     "test@test.com",
		FirstName: "Test",
		LastName:  "Test",
		IP:        "127.0.0.1",
		Fields:    map[string]string{"7": "test value", "16": "2013-01-03", "15": "value 1"},
	}
	campaign := Campaign{
		ID:         "34",
		Name:       "January newsletter",
		Type:       CampaignSingle,
		Status:     CampaignSending,
		Recipients: 1250,
		Message:    Message{ID: "56", Subject: "What is new in January"},
	}
	switch t {
	case TypeSubscribe:
		m.Source, m.By = SourceAdmin, string(SourceAdmin)
		return Subscribe{Meta: m, Subscriber: person}
	case TypeUnsubscribe:
		return Unsubscribe{
			Meta: m, Subscriber: person,
			Details:  UnsubscribeDetails{Reason: "I get too many emails"},
			Campaign: &campaign,
		}
	case TypeUpdate:
		person.Phone, person.OrgName, person.Tags = "+1 312 555 0142", "Test & Sons", []string{"customer", "newsletter"}
		person.Fields["21"] = Choices("Red", "Green")
		return Update{Meta: m, Subscriber: person}
	case TypeSent:
		m.Source, m.By = SourceSystem, string(SourceSystem)
		return Sent{Meta: m, Campaign: campaign}
	case TypeOpen:
		return Open{Meta: m, Subscriber: person, Campaign: campaign}
	case TypeClick:
		return Click{
			Meta: m, Subscriber: person, Campaign: campaign,
			Link: Link{ID: "78", URL: "https://example.com/offers?month=1&ref=newsletter"},
		}
	case TypeForward:
		return Forward{Meta: m, Subscriber: person, Campaign: campaign, Details: ForwardDetails{Count: 3}}
	case TypeShare:
		return Share{
			Meta: m, Subscriber: person, Campaign: campaign,
			Details: ShareDetails{Network: NetworkTwitter, NetworkID: "90", Content: "Worth a read: what is new in January"},
		}
	case TypeBounce:
		m.Source, m.By = SourceSystem, string(SourceSystem)
		return Bounce{
			Meta: m, Subscriber: person, Campaign: campaign,
			Details: BounceDetails{Type: BounceHard, Code: "5.1.1", Description: "The mailbox does not exist"},
		}
	}
	return nil
}

// sampleMeta is the Meta of samples.
func sampleMeta(source Source) Meta {
	return Meta{
		Lists:  []string{"12"},
		Source: source,
		By:     string(source),
		Time:   time.Date(2013, 1, 2, 9, 28, 42, 0, time.UTC),
	}
}

// SampleBody returns the body of Sample(t) for a webhook of format f that is
// tied to no list of its own: what a receiver gets. For a type that is not one
// of the nine, or an unknown format, it returns nil.
func SampleBody(t EventType, f Format) []byte {
	e := Sample(t)
	if e == nil {
		return nil
	}
	return sampleBody(e, e.meta(), f)
}

func sampleBody(e Event, m Meta, f Format) []byte {
	body, err := encode(e, m, f)
	if err != nil {
		return nil
	}
	return withID(body, "msg_42f0c6d1a9e84b7795d3e8b01c6f2a50")
}
