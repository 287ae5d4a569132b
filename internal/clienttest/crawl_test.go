package clienttest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage"
)

// A tour is a way through the page, which testdata/tour.js goes.
type tour struct {
	Mode   string `json:"mode"`   // "scripts"; without them "plain" or a "viewer", who changes nothing; or with them the "log" alone
	Mount  string `json:"mount"`  // the page of its "page", in the app's "layout", or in a "frame" of another site
	Locale string `json:"locale"` // the visitor's language

	Click   bool     `json:"click"`   // click every link and button and send every form, or only visit every page
	Widths  []int    `json:"widths"`  // of the window, at which pages are looked at; none if empty
	Schemes []string `json:"schemes"` // "light" and "dark", in which axe looks at the pages that were looked at
}

func (o tour) name() string { return o.Mode + "-" + o.Mount + "-" + o.Locale }

var (
	modes   = []string{"scripts", "plain", "viewer", "log"}
	mounts  = []string{"page", "layout", "frame"}
	locales = []string{"en", "de", "es", "en-XA", "ar"} // en-XA is pseudo
	widths  = []int{390, 800, 1024, 1280}
)

// usual are the tours of every change: everything is clicked with scripts and
// without, and pages are looked at in each mount and language.
var usual = []tour{
	{Mode: "scripts", Mount: "page", Locale: "en", Click: true, Widths: widths, Schemes: []string{"light", "dark"}},
	{Mode: "plain", Mount: "page", Locale: "en", Click: true},
	{Mode: "viewer", Mount: "page", Locale: "en", Click: true},
	{Mode: "log", Mount: "layout", Locale: "en", Click: true, Widths: widths},
	{Mode: "scripts", Mount: "layout", Locale: "en", Widths: widths, Schemes: []string{"light"}},
	{Mode: "scripts", Mount: "frame", Locale: "en", Widths: []int{390}},
	{Mode: "scripts", Mount: "page", Locale: "en-XA", Widths: []int{390, 1280}},
	{Mode: "scripts", Mount: "page", Locale: "ar", Widths: []int{390, 1280}, Schemes: []string{"light"}},
	{Mode: "scripts", Mount: "page", Locale: "de", Widths: []int{390}},
	{Mode: "scripts", Mount: "page", Locale: "es", Widths: []int{390}},
}

// tours returns the usual tours or, as LISTHOOK_CRAWL says, those of all modes,
// mounts and languages ("all") or those of them whose names match a regular
// expression. They click everything and look at everything at each width.
func tours(t *testing.T) []tour {
	which := os.Getenv("LISTHOOK_CRAWL")
	if which == "" {
		return usual
	}
	if which == "all" {
		which = ""
	}
	named, err := regexp.Compile(which)
	require.NoError(t, err, "LISTHOOK_CRAWL")
	var found []tour
	for _, mount := range mounts {
		for _, locale := range locales {
			for _, mode := range modes {
				o := tour{Mode: mode, Mount: mount, Locale: locale, Click: true, Widths: widths, Schemes: []string{"light", "dark"}}
				if named.MatchString(o.name()) {
					found = append(found, o)
				}
			}
		}
	}
	require.NotEmpty(t, found, "no tour has a name that matches LISTHOOK_CRAWL")
	return found
}

// TestEveryLinkAndFormInABrowser goes through the page of an account whose webhooks
// and deliveries are in every state. With LISTHOOK_SCREENSHOTS, a folder, it leaves
// pictures there of every page at every width.
func TestEveryLinkAndFormInABrowser(t *testing.T) {
	crawler := startCrawler(t)
	defer crawler.stop()
	for _, o := range tours(t) {
		t.Run(o.name(), func(t *testing.T) {
			r := mounted(t, o)
			met := crawler.tour(t, o, r)
			assert.Empty(t, met.Problems)
			t.Logf("%d pages visited, %d looked at, %d links, buttons and forms clicked", len(met.Visited), met.Looked, len(met.Clicked))
			for _, clicked := range met.Clicked {
				t.Log(clicked)
			}
			// That these were met says that the crawler finds what there is.
			if o.Widths != nil {
				assert.GreaterOrEqual(t, met.Looked, map[bool]int{false: 20, true: 3}[o.Mode == "log"])
			}
			if o.Click {
				for _, part := range essential[o.Mode] {
					assert.Contains(t, fmt.Sprintln(met.Clicked), part)
				}
			}
		})
	}
}

// essential names some links, buttons and forms that the crawler must click in each mode.
var essential = map[string][]string{
	"scripts": {"webhooks/{id}/edit form", "webhooks/{id}/delete form", "webhooks/{id} form webhooks/{id}/try", "operator/webhook form operator/webhook", "add form", "add button", "deliveries form"},
	"plain":   {"webhooks/{id}/edit form", "webhooks/{id}/delete form", "webhooks/{id} form webhooks/{id}/test", "deliveries/{id} form deliveries/{id}/resend", "explain form"},
	"log":     {"deliveries → deliveries/{id}", "deliveries form", "deliveries/{id} form deliveries/{id}/resend"},
	"viewer":  {"→ ?after", "deliveries → deliveries?after", "webhooks/{id} → deliveries/{id}"},
}

// mounted starts an app that shows the page as a tour says.
func mounted(t *testing.T, o tour) *harness {
	var r *harness
	var origin string
	if o.Mount == "frame" {
		origin = appsFrame(t, func() string { return r.base + "/" })
	}
	r = newHarness(t, func(opts *manage.Options) {
		opts.Texts = testTexts(t)
		lists, fields := opts.Lists, opts.Fields
		opts.Lists = func(ctx context.Context, account string) ([]manage.List, error) {
			ls, err := lists(ctx, account)
			return append(ls, manage.List{ID: "14", Name: strings.Repeat("Wochenangebote", 40)}), err
		}
		opts.Fields = func(ctx context.Context, account string) ([]manage.Field, error) {
			fs, err := fields(ctx, account)
			return append(fs, manage.Field{ID: "9", Title: strings.Repeat("Lieblingsfarbe", 40)}), err
		}
		switch o.Mount {
		case "layout":
			opts.Layout = appsLayout
		case "frame":
			opts.FrameAncestors = []string{origin}
		}
	})
	r.site = cmp.Or(origin, r.base)
	r.furnish(t)
	if o.Mode == "viewer" {
		for i := range 60 { // the overview has a second page
			r.put(t, func(w *webhook.Webhook) { w.Name = fmt.Sprint("Shop ", i) })
		}
	}
	return r
}

// A crawler is testdata/crawl.js, which goes one tour after the other in one browser.
type crawler struct {
	cmd    *exec.Cmd
	tours  io.WriteCloser
	met    *json.Decoder
	stderr *bytes.Buffer
}

func startCrawler(t *testing.T) *crawler {
	cmd := script(t, "crawl.js", chromium(t))
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr := new(bytes.Buffer)
	cmd.Stderr = stderr
	require.NoError(t, cmd.Start())
	return &crawler{cmd, stdin, json.NewDecoder(stdout), stderr}
}

func (c *crawler) stop() {
	_ = c.tours.Close() // which ends it
	_ = c.cmd.Wait()
}

// met is the result of a tour.
type met struct {
	Visited  []string `json:"visited"`
	Looked   int      `json:"looked"`
	Clicked  []string `json:"clicked"`
	Problems []string `json:"problems"`
}

func (c *crawler) tour(t *testing.T, o tour, r *harness) met {
	t.Helper()
	require.NoError(t, json.NewEncoder(c.tours).Encode(struct {
		tour
		Name        string `json:"name"`
		Base        string `json:"base"`
		Site        string `json:"site"`
		Receiver    string `json:"receiver"`
		Screenshots string `json:"screenshots"`
	}{o, o.name(), r.base, r.site, r.receiver, os.Getenv("LISTHOOK_SCREENSHOTS")}))
	var m met
	if err := c.met.Decode(&m); err != nil {
		_ = c.cmd.Wait()
		t.Fatalf("the crawler ended: %v\n%s", err, c.stderr) // the last page that it visited comes last
	}
	return m
}
