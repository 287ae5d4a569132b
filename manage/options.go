package manage

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/page"
	"github.com/listhook/webhook/manage/internal/text"
)

// ErrNoSession is what Options.Session returns when nobody is logged in, or the
// session has ended. Errors that wrap it count as well.
var ErrNoSession = errors.New("webhook: nobody is logged in")

// ErrUnavailable is what Options.Dispatcher returns while an account can be neither
// seen nor changed, as when it is moved to another database: the page and the APIs
// answer 503 then. Errors that wrap it count as well.
var ErrUnavailable = account.ErrUnavailable

// Options say who may do what, and how the page looks. The zero value refuses
// everybody.
type Options struct {
	// Session says who asks for the page, by the app's own session. It returns
	// ErrNoSession when nobody is logged in, who then is led to Login; a zero
	// Access, of somebody who has no right, is refused with status 403; any
	// other error is the app's fault and logged. It must not be fooled by other
	// sites: see CrossOriginProtection of net/http for what is done here. Nil:
	// the page is refused to everybody.
	Session func(r *http.Request) (Access, error)

	// Login returns the address of the app's login for a request without a
	// session, a URL or an absolute path, such as
	// "/login?next=" + url.QueryEscape(back). back is where to go after logging
	// in: an absolute path on the host that was asked, with its query. Nil, or
	// an empty address: the page says to log in, without a link.
	Login func(r *http.Request, back string) string

	// Key says who asks for the APIs, by the key that the app gave them; it is
	// never called with an empty one. How keys are stored and compared is the
	// app's: by their hashes is best, since looking a hash up takes a time that
	// tells nothing of the key. A zero Access is refused; an error is the
	// app's fault and logged. Nil: the APIs are refused to everybody.
	Key func(ctx context.Context, key string) (Access, error)

	// Dispatcher returns the dispatcher on the database that has an account, for
	// apps whose accounts are spread over databases: Handler and APIs are given nil
	// then. It is asked at each request that needs one, so it should answer from
	// memory. webhook.ErrNotFound, or nil, says that there is no such account,
	// and ErrUnavailable that it cannot be asked for just now; any other error is
	// the app's fault and logged.
	Dispatcher func(ctx context.Context, account string) (*webhook.Dispatcher, error)

	// Dispatchers returns the dispatchers on all databases, one for each, for
	// the operator's view. A database that does not answer is left out there, and
	// the view says so; a nil dispatcher stands for a database that could not be
	// opened. A nil function: the operator sees nothing but single webhooks.
	Dispatchers func(ctx context.Context) ([]*webhook.Dispatcher, error)

	// Lists returns the lists of an account, in the order to offer them in.
	// Webhooks can be tied to these only. Nil: the app has no names for them,
	// and any list is taken.
	Lists func(ctx context.Context, account string) ([]List, error)

	// Fields and Campaigns return an account's custom fields and its campaigns,
	// in the order to show them in. Clients of the newer API ask for them, to
	// offer them to people or to test a key. Nil: there are none.
	Fields    func(ctx context.Context, account string) ([]Field, error)
	Campaigns func(ctx context.Context, account string) ([]Campaign, error)

	// DefaultFormat is the format of webhooks that are added through the APIs,
	// and what the page's form proposes. An edit keeps the webhook's own.
	// "": webhook.FormatCurrent, which the integrations written for
	// ActiveCampaign read. Webhooks added by the app itself, with AddWebhook,
	// have the format that it gives them.
	DefaultFormat webhook.Format

	// MaxWebhooks is how many webhooks an account may have: 100 by default.
	// Two processes that add at the same moment may exceed it by one.
	MaxWebhooks int

	// Rate is how many API calls and tests a second an account may make of
	// this process, beside a reserve of five seconds' worth: 20 by default.
	Rate int

	// Title is what the page is called: "Webhooks" by default, in the visitor's
	// language.
	Title string

	// Locale is the page's language for those whose Access names none, and for
	// those who are not logged in: "en" by default. The page has English, Spanish
	// and German, and those of Texts.
	Locale string

	// Texts are texts of the page by language and by the English message that they
	// translate: they add languages, and replace texts of the page, the English ones
	// too. What they do not translate is said in the next best language: of "de-AT"
	// in German, of "fr" in English. The function Texts returns the messages. A
	// message that the page does not have, or a text with other arguments, is a
	// *webhook.InvalidError.
	Texts map[string]map[string]string

	// Home is where the page links back to, a URL of the app's. "": no link.
	Home string

	// Style is CSS that comes after the page's own. Setting a few variables on
	// :root changes its look: --accent, --font, --radius; docs/page.md has them
	// all.
	Style string

	// Layout writes a page of the app's with c in it, for a page that looks like the
	// app's other pages. The content security policy is the app's then, and has to
	// allow styles, scripts and forms of 'self'. Nil: the page stands alone.
	Layout func(w io.Writer, r *http.Request, c Content) error

	// FrameAncestors are origins, such as https://app.example.com, of which pages
	// may show this page in a frame, beside those of its own origin.
	FrameAncestors []string

	// TrustedOrigins are origins, such as https://app.example.com, of which
	// pages may send this page's forms: for a proxy that hides the host that
	// browsers ask for.
	TrustedOrigins []string

	// Logger gets what an operator should know. By default it is
	// slog.Default().
	Logger *slog.Logger
}

// Content is the page as a part of the app's: see Options.Layout.
type Content struct {
	Title     string        // of the page
	Lang, Dir string        // the language and its direction, "ltr" or "rtl", which Body names too
	Head      template.HTML // elements for the head: the style and the script
	Body      template.HTML // one element, without the page's header
}

// Access is who asks and what they may do. The zero value grants nothing.
type Access struct {
	Account  string         // whose webhooks
	View     bool           // see them, their log, and what was sent
	Manage   bool           // change them, see their headers, send tests, resend; and View
	Operator bool           // see the webhooks of all accounts, and disable them
	User     string         // a name or an email address, for the API's clients to show
	Location *time.Location // the page's times, and the APIs'; nil: UTC
	Locale   string         // the page's language, as "es" or "de-AT"; "": Options.Locale
	LogOnly  bool           // nothing but the delivery log, and with Manage resending from it
	Limits   Limits         // of View and Manage
}

// Limits narrow what somebody sees and does in an account, on the page and through
// both APIs. The zero value narrows nothing. A webhook that is not seen is not found,
// and neither are its deliveries. What may not be chosen is a *webhook.InvalidError of
// its field; what a webhook has already stays.
type Limits struct {
	Webhook     string              // the only webhook that is visible; "": all
	Lists       []string            // whose webhooks are visible, and that a webhook may be for; "" is every list. Nil: all
	Events      []webhook.EventType // that may be chosen; nil: all
	Formats     []webhook.Format    // that may be chosen; nil: all
	MustSign    bool                // every webhook gets a secret, and none loses its last
	NoHeaders   bool                // headers may not be set
	MaxWebhooks int                 // of the account, at most Options.MaxWebhooks; 0: as many as that
}

// access returns a in the words of the packages behind the handler.
func (a Access) access() account.Access {
	return account.Access{
		Account: a.Account, View: a.View, Manage: a.Manage, Operator: a.Operator, User: a.User,
		Location: a.Location, Locale: a.Locale, LogOnly: a.LogOnly, Limits: account.Limits(a.Limits),
	}
}

// List is a list of the app's that webhooks can be tied to.
type List struct {
	ID   string // as in webhook.Meta.Lists; neither "" nor "0"
	Name string
}

// Field is a custom field of the app's subscribers.
type Field struct {
	ID    string // as in webhook.Subscriber.Fields
	Title string
	Type  string // as ActiveCampaign has it: text, textarea, date, dropdown, …; "": text
}

// Campaign is a campaign of the app's.
type Campaign struct {
	ID     string // as in webhook.Campaign
	Name   string
	Type   webhook.CampaignType   // "": webhook.CampaignSingle
	Status webhook.CampaignStatus // "": webhook.CampaignDraft
}

func (o *Options) withDefaults() (Options, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.MaxWebhooks < 0 {
		return Options{}, &webhook.InvalidError{Field: "Options.MaxWebhooks", Reason: "is negative"}
	}
	if opts.Rate < 0 {
		return Options{}, &webhook.InvalidError{Field: "Options.Rate", Reason: "is negative"}
	}
	if opts.DefaultFormat == "" {
		opts.DefaultFormat = webhook.FormatCurrent
	}
	if !slices.Contains(webhook.Formats(), opts.DefaultFormat) {
		return Options{}, &webhook.InvalidError{
			Field: "Options.DefaultFormat", Reason: fmt.Sprintf("is %.40q, not one of 2013, current and json", opts.DefaultFormat),
		}
	}
	if opts.MaxWebhooks == 0 {
		opts.MaxWebhooks = 100
	}
	if opts.Rate == 0 {
		opts.Rate = 20
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	return opts, nil
}

// accounts returns what the app told of its accounts, in the words of the
// packages behind the handler.
func (o Options) accounts(d *webhook.Dispatcher) account.Config {
	c := account.Config{
		DispatcherOf: o.Dispatcher, AllDispatchers: o.Dispatchers, Logger: o.Logger, DefaultFormat: o.DefaultFormat, MaxWebhooks: o.MaxWebhooks, Rate: o.Rate,
		Lists:     converted(o.Lists, func(l List) account.List { return account.List(l) }),
		Fields:    converted(o.Fields, func(f Field) account.Field { return account.Field(f) }),
		Campaigns: converted(o.Campaigns, func(c Campaign) account.Campaign { return account.Campaign(c) }),
	}
	if d != nil {
		c.DispatcherOf = func(context.Context, string) (*webhook.Dispatcher, error) { return d, nil }
		c.AllDispatchers = func(context.Context) ([]*webhook.Dispatcher, error) { return []*webhook.Dispatcher{d}, nil }
	}
	if o.Key != nil {
		c.Key = func(ctx context.Context, key string) (account.Access, error) {
			access, err := o.Key(ctx, key)
			return access.access(), err
		}
	}
	return c
}

// page returns what the app told of the page.
func (o Options) page(accounts *account.Service) (page.Config, error) {
	texts, err := text.NewCatalog(o.Texts)
	if err != nil {
		return page.Config{}, &webhook.InvalidError{Field: "Options.Texts", Reason: "of " + err.Error()}
	}
	c := page.Config{
		Accounts: accounts, Login: o.Login, Title: o.Title, Home: o.Home, Style: o.Style, TrustedOrigins: o.TrustedOrigins,
		Texts: texts, Locale: o.Locale, FrameAncestors: o.FrameAncestors,
	}
	if o.Layout != nil {
		c.Layout = func(w io.Writer, r *http.Request, content page.Content) error {
			return o.Layout(w, r, Content(content))
		}
	}
	if o.Session != nil {
		c.Session = func(r *http.Request) (access account.Access, loggedIn bool, err error) {
			who, err := o.Session(r)
			if errors.Is(err, ErrNoSession) {
				return account.Access{}, false, nil
			}
			return who.access(), true, err
		}
	}
	return c, nil
}

// Texts returns what the page and notices say in a language, by their English
// messages: what Options.Texts and NotifyOptions.Texts can replace, and what a
// translation starts from. Where there is no such language, it is English.
//
// A text may hold arguments in braces, and plural forms as ICU writes them:
// "{n, plural, one {# delivery} other {# deliveries}}". The elements <b>, <code>
// and <a> are kept where the message has them. "12,345.6" says how the language
// writes a number, and "Jan Feb …" are its months.
func Texts(locale string) map[string]string {
	messages, err := text.Messages(locale)
	if err != nil {
		return nil // the texts are a part of the program: a test reads them
	}
	texts := make(map[string]string, len(messages))
	for m, translated := range messages {
		texts[string(m)] = translated
	}
	return texts
}

// converted makes a function of the app's return another type; nil stays nil.
func converted[From, To any](f func(context.Context, string) ([]From, error), convert func(From) To) func(context.Context, string) ([]To, error) {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, account string) ([]To, error) {
		from, err := f(ctx, account)
		to := make([]To, len(from))
		for i, item := range from {
			to[i] = convert(item)
		}
		return to, err
	}
}
