package page

import (
	"regexp"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/text"
)

// typeMeanings say when an event of each type is sent.
var typeMeanings = map[webhook.EventType]text.Message{
	webhook.TypeSubscribe:   "Sent when somebody is added to a list.",
	webhook.TypeUnsubscribe: "Sent when somebody is removed from a list.",
	webhook.TypeUpdate:      "Sent when a subscriber's data changes.",
	webhook.TypeSent:        "Sent when a campaign starts sending.",
	webhook.TypeOpen:        "Sent when a subscriber opens a campaign.",
	webhook.TypeClick:       "Sent when a subscriber clicks a link in a campaign.",
	webhook.TypeForward:     "Sent when a subscriber forwards a campaign.",
	webhook.TypeShare:       "Sent when a subscriber shares a campaign on a social network.",
	webhook.TypeBounce:      "Sent when a message to a subscriber cannot be delivered.",
}

// fieldMeanings say what the fields of bodies mean, by their paths in JSON. A
// number in a path is a star.
var fieldMeanings = map[string]text.Message{
	"id":                         "ID of the delivery, the same in every attempt",
	"type":                       "Type of the event",
	"date_time":                  "When it happened",
	"initiated_from":             "What triggered it: public (a subscriber), admin, api or system",
	"initiated_by":               "What triggered it, as the app calls it",
	"list":                       "ID of the list, 0 for none",
	"lists.*":                    "IDs of the lists",
	"form.id":                    "ID of the form that was filled in",
	"orgname":                    "Organization of the subscriber",
	"customer_acct_id":           "ID of the customer's account",
	"customer_acct_name":         "Name of the customer's account",
	"contact.id":                 "ID of the subscriber",
	"contact.email":              "Email address of the subscriber",
	"contact.first_name":         "First name of the subscriber",
	"contact.last_name":          "Last name of the subscriber",
	"contact.ip":                 "IP address of the subscriber",
	"contact.phone":              "Phone number of the subscriber",
	"contact.orgname":            "Organization of the subscriber",
	"contact.tags":               "Tags of the subscriber",
	"contact.tags.*":             "Tags of the subscriber",
	"contact.customer_acct_name": "Name of the customer's account",
	"contact.fields.*":           "A custom field, identified by its ID",
	"unsubscribe.reason":         "Reason that the subscriber gave",
	"campaign.id":                "ID of the campaign",
	"campaign.name":              "Name of the campaign",
	"campaign.type":              "Type of the campaign",
	"campaign.status":            "Status of the campaign, as a number",
	"campaign.recipients":        "How many people the campaign is sent to",
	"campaign.message.id":        "ID of the message",
	"campaign.message.subject":   "Subject of the message",
	"link.id":                    "ID of the link",
	"link.url":                   "URL of the link",
	"forward.count":              "How many people it was forwarded to",
	"share.network":              "Social network",
	"share.network_id":           "ID of the social network",
	"share.content":              "What the subscriber wrote",
	"bounce.type":                "Kind of bounce: hard (permanent) or soft (temporary)",
	"bounce.code":                "Status code of the mail server",
	"bounce.description":         "What the mail server answered",
}

var digits = regexp.MustCompile(`^\d+$`)

// meaningOf says what a field of a body means, by its key in any format; "" where
// that is not known.
func meaningOf(key string) text.Message {
	path := strings.FieldsFunc(key, func(r rune) bool { return r == '[' || r == ']' || r == '.' })
	for i, part := range path {
		switch {
		case i == 0 && part == "subscriber":
			path[i] = "contact"
		case i > 0 && digits.MatchString(part):
			path[i] = "*"
		}
	}
	return fieldMeanings[strings.Join(path, ".")]
}
