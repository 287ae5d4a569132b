package webhook

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/listhook/webhook/internal/phpform"
)

// A variable is one value of a form, by its path in PHP's $_POST.
type variable struct {
	path []string
	text string
}

// pathOf writes a path so that it can be a map's key and be read.
func pathOf(names ...string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "[%q]", name)
	}
	return b.String()
}

// reference says what the body of e holds, in order. It is the protocol's table
// written a second time, by hand, and shares nothing with encode.
func reference(e Event, m Meta, list string, f Format) []variable {
	var vars []variable
	always := func(text string, path ...string) { vars = append(vars, variable{path, text}) }
	known := func(text string, path ...string) {
		if text != "" {
			always(text, path...)
		}
	}
	count := func(n int, path ...string) {
		if n != 0 {
			always(strconv.Itoa(n), path...)
		}
	}

	noun, clock := "subscriber", "2006-01-02 15:04:05"
	if f == FormatCurrent {
		noun, clock = "contact", "2006-01-02T15:04:05-07:00"
	}
	person := func(s Subscriber) {
		always(s.ID, noun, "id")
		always(s.Email, noun, "email")
		always(s.FirstName, noun, "first_name")
		always(s.LastName, noun, "last_name")
		if s.IP == "" {
			s.IP = "0.0.0.0"
		}
		always(s.IP, noun, "ip")
		often := known // what the current format always sends
		if f == FormatCurrent {
			often = always
		}
		often(s.Phone, noun, "phone")
		often(s.OrgName, noun, "orgname")
		often(strings.Join(s.Tags, ", "), noun, "tags")
		often(s.CustomerAccount, noun, "customer_acct_name")
		ids := slices.Collect(maps.Keys(s.Fields))
		sort.Strings(ids)
		sort.SliceStable(ids, func(i, j int) bool {
			a, aIsNumber := numericID(ids[i])
			b, bIsNumber := numericID(ids[j])
			if aIsNumber && bIsNumber {
				return a.Cmp(b) < 0
			}
			return aIsNumber && !bIsNumber
		})
		for _, id := range ids {
			always(s.Fields[id], noun, "fields", id)
		}
	}
	campaign := func(c Campaign) {
		always(c.ID, "campaign", "id")
		always(c.Name, "campaign", "name")
		known(string(c.Type), "campaign", "type")
		known(string(c.Status), "campaign", "status")
		count(c.Recipients, "campaign", "recipients")
		known(c.Message.ID, "campaign", "message", "id")
		known(c.Message.Subject, "campaign", "message", "subject")
	}

	always(string(e.Type()), "type")
	always(m.Time.Format(clock), "date_time")
	always(string(m.Source), "initiated_from")
	always(m.By, "initiated_by")
	always(list, "list")
	switch e := e.(type) {
	case Subscribe:
		person(e.Subscriber)
		known(e.Form.ID, "form", "id")
	case Unsubscribe:
		person(e.Subscriber)
		known(e.Details.Reason, "unsubscribe", "reason")
		if e.Campaign != nil {
			campaign(*e.Campaign)
		}
	case Update:
		person(e.Subscriber)
	case Sent:
		campaign(e.Campaign)
	case Open:
		person(e.Subscriber)
		campaign(e.Campaign)
	case Click:
		person(e.Subscriber)
		campaign(e.Campaign)
		always(e.Link.ID, "link", "id")
		always(e.Link.URL, "link", "url")
	case Forward:
		person(e.Subscriber)
		campaign(e.Campaign)
		count(e.Details.Count, "forward", "count")
	case Share:
		person(e.Subscriber)
		campaign(e.Campaign)
		always(string(e.Details.Network), "share", "network")
		known(e.Details.NetworkID, "share", "network_id")
		known(e.Details.Content, "share", "content")
	case Bounce:
		person(e.Subscriber)
		campaign(e.Campaign)
		always(string(e.Details.Type), "bounce", "type")
		known(e.Details.Code, "bounce", "code")
		known(e.Details.Description, "bounce", "description")
	default:
		panic(fmt.Sprintf("no reference for %T", e))
	}
	if f == FormatCurrent {
		always("", "orgname")
		always("", "customer_acct_name")
		always("", "customer_acct_id")
	}
	return vars
}

// numericID returns the value of a field's id that is a number, however large.
func numericID(id string) (*big.Int, bool) {
	if !regexp.MustCompile(`\A[0-9]+\z`).MatchString(id) {
		return nil, false
	}
	return new(big.Int).SetString(id, 10)
}

// Texts and field keys that a parser of forms may trip over.
var (
	hostileTexts = []string{
		"", " ", "  ", "0", "0.0.0.0", "a", "Zoë", "日本語", "🎉", "a.b c", "+", "1+1", "%", "%41", "%5B", "%zz", "&", "=",
		"a=b&c=d", ";", "[", "]", "x]y[z", "type", "subscriber[email]", "||A||B||", "\r\n", "\t", "\x00", "a\x00b", "\x7f",
		"\xff\xfe", "\xc3", "\u2028", "\ufeff", `"'<>\`, "<script>", "~-_.!*()'", strings.Repeat("long ", 500),
	}
	hostileKeys = []string{
		"0", "7", "16", "016", "100000000000000000", "-1", "-0", "1e3", "+1", " a", "a ", "a b", "a.b", "é", "日本", "\xff",
		"\x01", "%", "%5D", "%00", "&", "=", "a&b=c", ";", "'", `"`, `\`, "id", "fields", "__proto__", "GLOBALS", "  ",
	}
)

// randomEvent returns an event of type typ that is valid and can be read back:
// tags hold no ", ", which parts them on the wire, and an unknown IP is empty.
// Any of its texts may be one of more.
func randomEvent(r *rand.Rand, typ EventType, more ...string) Event {
	texts := append(slices.Clone(hostileTexts), more...)
	text := func() string {
		switch r.IntN(4) {
		case 0:
			b := make([]byte, r.IntN(12))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			return string(b)
		case 1:
			return "plain " + strconv.Itoa(r.IntN(1000))
		}
		return texts[r.IntN(len(texts))]
	}
	someone := func() Subscriber {
		s := Subscriber{
			ID: text(), Email: text(), FirstName: text(), LastName: text(), IP: text(), Phone: text(), OrgName: text(),
			CustomerAccount: text(),
		}
		if s.ID == "" {
			s.Email = cmp.Or(s.Email, "x") // one of them is required
		}
		if s.IP == "0.0.0.0" {
			s.IP = ""
		}
		for range r.IntN(4) {
			if tag := text(); tag != "" && !strings.Contains(tag, ", ") {
				s.Tags = append(s.Tags, tag)
			}
		}
		for range r.IntN(12) {
			key := hostileKeys[r.IntN(len(hostileKeys))]
			if r.IntN(3) == 0 {
				key = text()
			}
			if phpform.Misread(key) {
				continue
			}
			if s.Fields == nil {
				s.Fields = make(map[string]string)
			}
			s.Fields[key] = text()
		}
		return s
	}
	mailing := func() Campaign {
		return Campaign{
			ID: text(), Name: text(), Type: CampaignType(text()), Status: CampaignStatus(text()),
			Recipients: r.IntN(3) * r.IntN(1_000_000), Message: Message{ID: text(), Subject: text()},
		}
	}
	m := Meta{
		Lists:  []string{strconv.Itoa(1 + r.IntN(99))},
		Source: Sources()[r.IntN(4)],
		By:     text(),
		Time: time.Date(1+r.IntN(9999), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), 0,
			time.FixedZone("", (r.IntN(27)-12)*3600+r.IntN(2)*1800)),
	}
	switch typ {
	case TypeSubscribe:
		return Subscribe{Meta: m, Subscriber: someone(), Form: Form{ID: text()}}
	case TypeUnsubscribe:
		e := Unsubscribe{Meta: m, Subscriber: someone(), Details: UnsubscribeDetails{Reason: text()}}
		if r.IntN(2) == 0 {
			c := mailing()
			e.Campaign = &c
		}
		return e
	case TypeUpdate:
		return Update{Meta: m, Subscriber: someone()}
	case TypeSent:
		c := mailing()
		c.Name = cmp.Or(c.Name, "x")
		return Sent{Meta: m, Campaign: c}
	case TypeOpen:
		return Open{Meta: m, Subscriber: someone(), Campaign: mailing()}
	case TypeClick:
		return Click{Meta: m, Subscriber: someone(), Campaign: mailing(), Link: Link{ID: text(), URL: cmp.Or(text(), "x")}}
	case TypeForward:
		return Forward{Meta: m, Subscriber: someone(), Campaign: mailing(), Details: ForwardDetails{Count: r.IntN(5)}}
	case TypeShare:
		return Share{
			Meta: m, Subscriber: someone(), Campaign: mailing(),
			Details: ShareDetails{Network: Network(cmp.Or(text(), "x")), NetworkID: text(), Content: text()},
		}
	case TypeBounce:
		return Bounce{
			Meta: m, Subscriber: someone(), Campaign: mailing(),
			Details: BounceDetails{Type: []BounceType{BounceHard, BounceSoft}[r.IntN(2)], Code: text(), Description: text()},
		}
	}
	panic("no random event of type " + string(typ))
}

// manyFields returns an event whose body has n variables in the current format,
// which has more of them than that of 2013.
func manyFields(n int) Update {
	e := Update{
		Meta:       Meta{Source: SourceSystem},
		Subscriber: Subscriber{ID: "1", Fields: map[string]string{}},
	}
	const envelopePersonAndCustomer = 5 + 9 + 3
	for i := range n - envelopePersonAndCustomer {
		e.Subscriber.Fields[strconv.Itoa(i)] = "x"
	}
	return e
}
