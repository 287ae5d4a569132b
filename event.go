package webhook

import (
	"slices"
	"time"
)

// EventType names what happened, as on the wire.
type EventType string

// The nine event types, by the names that ActiveCampaign's announcement of
// January 2013 and its API give them.
const (
	TypeSubscribe   EventType = "subscribe"   // a new subscription
	TypeUnsubscribe EventType = "unsubscribe" // a new unsubscription
	TypeUpdate      EventType = "update"      // a subscriber's details changed
	TypeSent        EventType = "sent"        // a campaign starts sending
	TypeOpen        EventType = "open"        // a campaign was opened
	TypeClick       EventType = "click"       // a link was clicked
	TypeForward     EventType = "forward"     // a campaign was forwarded to a friend
	TypeShare       EventType = "share"       // a campaign was shared on a network
	TypeBounce      EventType = "bounce"      // an email bounced
)

// EventTypes returns the nine, in the announcement's order.
func EventTypes() []EventType {
	return []EventType{
		TypeSubscribe, TypeUnsubscribe, TypeUpdate, TypeSent, TypeOpen,
		TypeClick, TypeForward, TypeShare, TypeBounce,
	}
}

// Source says how an event was initiated.
type Source string

// The four sources, by their names on the wire.
const (
	SourcePublic Source = "public" // by a subscriber
	SourceAdmin  Source = "admin"  // by an admin user
	SourceAPI    Source = "api"    // by the API
	SourceSystem Source = "system" // by a system process
)

// Sources returns the four, in the announcement's order.
func Sources() []Source {
	return []Source{SourcePublic, SourceAdmin, SourceAPI, SourceSystem}
}

// An Event is something that happened in the mailing app: one of Subscribe,
// Unsubscribe, Update, Sent, Open, Click, Forward, Share and Bounce, or a Custom.
type Event interface {
	// Type returns the event's type, as on the wire.
	Type() EventType

	meta() Meta
	person() *Subscriber           // not to be changed: a Custom shares it; nil: an event without one
	with(Subscriber) Event         // a copy of the event with that, if it has one
	campaign() *Campaign           // nil: an event without one
	fault() (field, reason string) // what it requires and has not, or has and may not have
}

// Meta holds the fields that all events have.
type Meta struct {
	// ID makes emitting twice harmless: one event type with one ID is
	// delivered once to each webhook, a Subscribe and an Unsubscribe once for
	// each list that they name to it. Emit an event again with the same Lists,
	// in any order. At most 255 bytes. Empty: a UUID of version 7 is generated.
	// Use such UUIDs for IDs of your own too: they keep a large log's index
	// fast. ID, Account and Lists are UTF-8 without NUL, as every store can
	// keep it.
	ID string

	// Account is the tenant whose webhooks get the event. "" is a real account, that of
	// an app with a single tenant. At most 255 bytes.
	Account string

	// Lists are the lists that the event is for. A form names one list. A
	// webhook of one list gets the event once, if its list is among these, and
	// the body names that list. A webhook of every list gets a Subscribe and an
	// Unsubscribe once for each list, since receivers keep the members of each
	// list by them; it gets an event of another type once, and a form names the
	// first list, JSON all. Dispatcher.Explain says so of each webhook.
	//
	// Each has at most 255 bytes, no white space around it, and is neither "" nor "0",
	// which stands for none on the wire. A repeated list counts once. Empty: only
	// webhooks of every list get the event, once, and the body names no list.
	Lists []string

	// Source says how the event was initiated. It is required.
	Source Source

	// By is sent as initiated_by, an opaque text: any bytes. Empty: as Source.
	By string

	// Time is when the event happened. Forms carry seconds, JSON and HeaderEventTime
	// milliseconds; bodies write it in its own location.
	// Zero: when it was emitted, in local time.
	Time time.Time

	// Key orders events: of the deliveries to one webhook that have the same key, each
	// waits until the one before it has ended. Empty: the subscriber's ID, or without
	// one the email in lower case. Webhook.Order says which events of a webhook have an
	// order at all. Set it to keep something other than a subscriber in order, such as
	// the contacts of one company. At most 255 bytes of UTF-8 without NUL.
	Key string

	// Sequence is what ParseRequest read from HeaderSequence: a delivery with a
	// greater one of the same subscriber is newer. 0: the delivery has no order.
	// It is ignored when an event is emitted.
	Sequence int64
}

func (m Meta) meta() Meta { return m }

// MetaOf returns the Meta of an event of any type, such as the Meta.ID by which a
// receiver recognizes a repeated event.
func MetaOf(e Event) Meta { return e.meta() }

// Subscribe: somebody was subscribed to a list. Subscribing to several lists at once can
// be one event: see Meta.Lists.
type Subscribe struct {
	Meta       `form:"-" json:"-"`
	Subscriber Subscriber `form:"subscriber" json:"contact"`
	Form       Form       `form:"form" json:"form"` // when a form did it
}

// Unsubscribe: somebody was unsubscribed from a list. One who is unsubscribed
// from several at once may be one event: see Meta.Lists.
type Unsubscribe struct {
	Meta       `form:"-" json:"-"`
	Subscriber Subscriber         `form:"subscriber" json:"contact"`
	Details    UnsubscribeDetails `form:"unsubscribe" json:"unsubscribe"`
	Campaign   *Campaign          `form:"campaign" json:"campaign"` // when a campaign caused it
}

// Update: a subscriber's details changed. Subscriber holds all the current
// values; the protocol does not tell which of them are new.
type Update struct {
	Meta       `form:"-" json:"-"`
	Subscriber Subscriber `form:"subscriber" json:"contact"`
}

// Sent: a campaign starts sending. It is emitted once for each campaign, not
// for each recipient, and has no subscriber.
type Sent struct {
	Meta     `form:"-" json:"-"`
	Campaign Campaign `form:"campaign" json:"campaign"`
}

// Open: a subscriber opened a campaign.
type Open struct {
	Meta       `form:"-" json:"-"`
	Subscriber Subscriber `form:"subscriber" json:"contact"`
	Campaign   Campaign   `form:"campaign" json:"campaign"`
}

// Click: a subscriber clicked a link of a campaign.
type Click struct {
	Meta       `form:"-" json:"-"`
	Subscriber Subscriber `form:"subscriber" json:"contact"`
	Campaign   Campaign   `form:"campaign" json:"campaign"`
	Link       Link       `form:"link" json:"link"`
}

// Forward: a subscriber forwarded a campaign to friends.
type Forward struct {
	Meta       `form:"-" json:"-"`
	Subscriber Subscriber     `form:"subscriber" json:"contact"`
	Campaign   Campaign       `form:"campaign" json:"campaign"`
	Details    ForwardDetails `form:"forward" json:"forward"`
}

// Share: a subscriber shared a campaign on a social network.
type Share struct {
	Meta       `form:"-" json:"-"`
	Subscriber Subscriber   `form:"subscriber" json:"contact"`
	Campaign   Campaign     `form:"campaign" json:"campaign"`
	Details    ShareDetails `form:"share" json:"share"`
}

// Bounce: an email of a campaign came back.
type Bounce struct {
	Meta       `form:"-" json:"-"`
	Subscriber Subscriber    `form:"subscriber" json:"contact"`
	Campaign   Campaign      `form:"campaign" json:"campaign"`
	Details    BounceDetails `form:"bounce" json:"bounce"`
}

// Type returns TypeSubscribe.
func (Subscribe) Type() EventType { return TypeSubscribe }

// Type returns TypeUnsubscribe.
func (Unsubscribe) Type() EventType { return TypeUnsubscribe }

// Type returns TypeUpdate.
func (Update) Type() EventType { return TypeUpdate }

// Type returns TypeSent.
func (Sent) Type() EventType { return TypeSent }

// Type returns TypeOpen.
func (Open) Type() EventType { return TypeOpen }

// Type returns TypeClick.
func (Click) Type() EventType { return TypeClick }

// Type returns TypeForward.
func (Forward) Type() EventType { return TypeForward }

// Type returns TypeShare.
func (Share) Type() EventType { return TypeShare }

// Type returns TypeBounce.
func (Bounce) Type() EventType { return TypeBounce }

func (e Subscribe) person() *Subscriber   { return &e.Subscriber }
func (e Unsubscribe) person() *Subscriber { return &e.Subscriber }
func (e Update) person() *Subscriber      { return &e.Subscriber }
func (e Sent) person() *Subscriber        { return nil }
func (e Open) person() *Subscriber        { return &e.Subscriber }
func (e Click) person() *Subscriber       { return &e.Subscriber }
func (e Forward) person() *Subscriber     { return &e.Subscriber }
func (e Share) person() *Subscriber       { return &e.Subscriber }
func (e Bounce) person() *Subscriber      { return &e.Subscriber }

func (e Subscribe) with(s Subscriber) Event   { e.Subscriber = s; return e }
func (e Unsubscribe) with(s Subscriber) Event { e.Subscriber = s; return e }
func (e Update) with(s Subscriber) Event      { e.Subscriber = s; return e }
func (e Sent) with(Subscriber) Event          { return e }
func (e Open) with(s Subscriber) Event        { e.Subscriber = s; return e }
func (e Click) with(s Subscriber) Event       { e.Subscriber = s; return e }
func (e Forward) with(s Subscriber) Event     { e.Subscriber = s; return e }
func (e Share) with(s Subscriber) Event       { e.Subscriber = s; return e }
func (e Bounce) with(s Subscriber) Event      { e.Subscriber = s; return e }

func (e Subscribe) campaign() *Campaign   { return nil }
func (e Unsubscribe) campaign() *Campaign { return e.Campaign }
func (e Update) campaign() *Campaign      { return nil }
func (e Sent) campaign() *Campaign        { return &e.Campaign }
func (e Open) campaign() *Campaign        { return &e.Campaign }
func (e Click) campaign() *Campaign       { return &e.Campaign }
func (e Forward) campaign() *Campaign     { return &e.Campaign }
func (e Share) campaign() *Campaign       { return &e.Campaign }
func (e Bounce) campaign() *Campaign      { return &e.Campaign }

// Subscriber is the person that an event is about: subscriber[...] in the
// 2013 format, contact[...] in the current one. Texts may be any bytes.
type Subscriber struct {
	// These are always sent, even empty: receivers index them without asking.
	ID        string `form:"id" json:"id"`
	Email     string `form:"email" json:"email"`
	FirstName string `form:"first_name" json:"first_name"`
	LastName  string `form:"last_name" json:"last_name"`
	IP        string `form:"ip" json:"ip" empty:"0.0.0.0"` // empty: unknown, which forms send as 0.0.0.0

	// These are always sent in the current format, and in that of 2013 when not
	// empty. An empty CustomerAccount is Options.CustomerAccount's Name in the
	// current format.
	Phone           string   `form:"phone,omitempty" json:"phone" always:"current"`
	OrgName         string   `form:"orgname,omitempty" json:"orgname" always:"current"`
	Tags            []string `form:"tags,omitempty" json:"tags" always:"current"` // sent as "a, b"
	CustomerAccount string   `form:"customer_acct_name,omitempty" json:"customer_acct_name" always:"current"`

	// Fields are the custom fields by their ids. Values of a multiple choice
	// are made by Choices. An empty one is sent: it says that the field was
	// cleared, and receivers that copy fields would else keep its old value.
	// Leave out the fields that are not known. A key may not be empty, nor
	// one character of white space, nor hold "[", "]" or NUL: PHP would misread
	// it. The whole body may hold at most 1,000 variables, PHP's
	// max_input_vars, of which all but the fields take up to 30.
	Fields map[string]string `form:"fields" json:"fields"`
}

// Form is the subscription form that caused a Subscribe.
type Form struct {
	ID string `form:"id,omitempty" json:"id"`
}

// UnsubscribeDetails is what is known of an unsubscription when it happens.
type UnsubscribeDetails struct {
	Reason string `form:"reason,omitempty" json:"reason"` // as the subscriber gave it
}

// CampaignType says of what kind a campaign is.
type CampaignType string

// The campaign types of ActiveCampaign's API.
const (
	CampaignSingle     CampaignType = "single"
	CampaignRecurring  CampaignType = "recurring"
	CampaignSplit      CampaignType = "split"
	CampaignResponder  CampaignType = "responder"
	CampaignReminder   CampaignType = "reminder"
	CampaignSpecial    CampaignType = "special"
	CampaignActiveRSS  CampaignType = "activerss"
	CampaignTextFormat CampaignType = "text"
)

// CampaignStatus says where a campaign is in its life: a number on the wire.
type CampaignStatus string

// The campaign statuses. Draft and scheduled are documented by ActiveCampaign;
// the others are restated by third parties.
const (
	CampaignDraft     CampaignStatus = "0"
	CampaignScheduled CampaignStatus = "1"
	CampaignSending   CampaignStatus = "2"
	CampaignPaused    CampaignStatus = "3"
	CampaignStopped   CampaignStatus = "4"
	CampaignCompleted CampaignStatus = "5"
)

// Campaign is the mailing that an event belongs to. Its id and name are always
// sent; the rest when not empty.
type Campaign struct {
	ID         string         `form:"id" json:"id"`
	Name       string         `form:"name" json:"name"`
	Type       CampaignType   `form:"type,omitempty" json:"type"`
	Status     CampaignStatus `form:"status,omitempty" json:"status"`
	Recipients int            `form:"recipients,omitempty" json:"recipients"` // how many it goes to; not negative
	Message    Message        `form:"message" json:"message"`
}

// Message is the email of a campaign.
type Message struct {
	ID      string `form:"id,omitempty" json:"id"`
	Subject string `form:"subject,omitempty" json:"subject"`
}

// Link is what was clicked.
type Link struct {
	ID  string `form:"id" json:"id"`
	URL string `form:"url" json:"url"`
}

// ForwardDetails says to how many friends a campaign was forwarded. The count is not
// negative.
type ForwardDetails struct {
	Count int `form:"count,omitempty" json:"count"`
}

// Network is a social network, by its name on the wire. Others than the two of
// the announcement are sent as they are.
type Network string

// The announcement's networks.
const (
	NetworkFacebook Network = "facebook"
	NetworkTwitter  Network = "twitter"
)

// ShareDetails says where a campaign was shared.
type ShareDetails struct {
	Network   Network `form:"network" json:"network"`
	NetworkID string  `form:"network_id,omitempty" json:"network_id"`
	Content   string  `form:"content,omitempty" json:"content"`
}

// BounceType says whether an address is gone for good.
type BounceType string

// The bounce types.
const (
	BounceHard BounceType = "hard"
	BounceSoft BounceType = "soft"
)

// BounceDetails says why an email came back.
type BounceDetails struct {
	Type        BounceType `form:"type" json:"type"`
	Code        string     `form:"code,omitempty" json:"code"` // such as 5.1.1
	Description string     `form:"description,omitempty" json:"description"`
}

// valid reports whether t is one of the nine.
func (t EventType) valid() bool { return slices.Contains(EventTypes(), t) }

// valid reports whether s is one of the four.
func (s Source) valid() bool { return slices.Contains(Sources(), s) }
