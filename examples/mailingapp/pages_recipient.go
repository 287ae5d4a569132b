package main

import (
	"net/http"
	"strings"

	"github.com/listhook/webhook"
)

// These pages are the subscribers'. In the demonstration the visitor plays
// them.

func (a *app) outboxPage(v *visit) error {
	mails, err := a.outbox(v.r.Context())
	if err != nil {
		return err
	}
	return v.render("outbox", "outbox", "Outbox", mails)
}

func (a *app) postBounce(r *http.Request) (string, error) {
	return "/outbox?done=bounced", a.bounce(r.Context(), r.PathValue("token"), webhook.BounceType(typed(r, "type")))
}

// A segment is a piece of a mail's text.
type segment struct {
	Text string
	Link int64 // where it leads; 0: it is no link
}

// paragraphs returns a mail's text with its links told apart.
func paragraphs(text string, links map[string]int64) [][]segment {
	var all [][]segment
	for paragraph := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		var segments []segment
		end := 0
		for _, at := range aLink.FindAllStringIndex(paragraph, -1) {
			url := paragraph[at[0]:at[1]]
			segments = append(segments, segment{Text: paragraph[end:at[0]]}, segment{url, links[url]})
			end = at[1]
		}
		all = append(all, append(segments, segment{Text: paragraph[end:]}))
	}
	return all
}

func (a *app) mailPage(v *visit) error {
	m, err := loadMessage(v.r.Context(), a.db, v.r.PathValue("token"))
	if err != nil {
		return err
	}
	links, err := a.links(v.r.Context(), m.Campaign.ID)
	if err != nil {
		return err
	}
	return v.render("mail", "", m.Campaign.Subject, map[string]any{"Mail": m, "Text": paragraphs(m.Campaign.Text, links)})
}

// mailForm shows a page that a mail links to.
func (a *app) mailForm(name, title string) func(*visit) error {
	return func(v *visit) error {
		m, err := loadMessage(v.r.Context(), a.db, v.r.PathValue("token"))
		if err != nil {
			return err
		}
		return v.render(name, "", title, m)
	}
}

// picture is loaded by mail programs when a mail is opened.
func (a *app) picture(w http.ResponseWriter, r *http.Request) {
	if err := a.open(r.Context(), r.PathValue("token")); err != nil {
		(&visit{w: w, r: r}).finish(err)
		return
	}
	w.Header().Set("Content-Type", "image/gif")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(transparent))
}

// transparent is a GIF of one transparent pixel.
const transparent = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00" +
	"!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// follow leads to where a link in a mail points.
func (a *app) follow(w http.ResponseWriter, r *http.Request) {
	url, err := a.click(r.Context(), r.PathValue("token"), number(r, "link"))
	if err != nil {
		(&visit{w: w, r: r}).finish(err)
		return
	}
	http.Redirect(w, r, url, http.StatusFound)
}

func (a *app) signupPage(v *visit) error {
	l, err := a.list(v.r.Context(), number(v.r, "id"))
	if err != nil {
		return err
	}
	return v.render("signup", "", "Sign up for "+l.Name, l)
}

func (a *app) postSignup(r *http.Request) (string, error) {
	l, err := a.list(r.Context(), number(r, "id"))
	if err != nil {
		return "", err
	}
	s := typedSubscriber(r)
	s.IP = ipOf(r)
	return "/thanks/signup", a.subscribe(r.Context(), l.ID, s, webhook.SourcePublic)
}

func (a *app) postPreferences(r *http.Request) (string, error) {
	m, err := loadMessage(r.Context(), a.db, r.PathValue("token"))
	if err != nil {
		return "", err
	}
	s := typedSubscriber(r)
	s.ID, s.IP = m.To.ID, ipOf(r)
	return "/thanks/preferences", a.update(r.Context(), s, webhook.SourcePublic)
}

func (a *app) postForward(r *http.Request) (string, error) {
	friends := strings.FieldsFunc(typed(r, "friends"), func(c rune) bool { return strings.ContainsRune(", ;\r\n", c) })
	return "/thanks/forward", a.forward(r.Context(), r.PathValue("token"), len(friends))
}

func (a *app) postShare(r *http.Request) (string, error) {
	return "/thanks/share", a.share(r.Context(), r.PathValue("token"), webhook.Network(typed(r, "network")), typed(r, "content"))
}

func (a *app) postLeave(r *http.Request) (string, error) {
	return "/thanks/unsubscribe", a.leave(r.Context(), r.PathValue("token"), typed(r, "reason"))
}

// thanks are shown to subscribers after each of their forms.
var thanks = map[string]string{
	"signup":      "You are on the list.",
	"preferences": "Your details were saved.",
	"forward":     "Your friends will thank you. (No mail left this machine.)",
	"share":       "It was shared. (Nothing left this machine.)",
	"unsubscribe": "You were unsubscribed.",
}

func (a *app) thanksPage(v *visit) error {
	text, ok := thanks[v.r.PathValue("what")]
	if !ok {
		return errNotFound
	}
	return v.render("thanks", "", "Thank you", text)
}
