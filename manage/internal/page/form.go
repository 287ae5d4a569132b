package page

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/params"
	"github.com/listhook/webhook/manage/internal/text"
)

// A form is what the page's form for a webhook shows: what was typed, and what
// is wrong with it.
type form struct {
	Webhook webhook.Webhook
	Headers string // a line each, as typed
	Sign    bool   // make a secret
	Errors  map[string]string
	Problem string // with no field in particular
	Was     string // of the fields as they were when the form was made: see fingerprints

	Lists    chooser
	KnowsAny bool // the app does not name its lists: any may be typed
	AnyList  bool // a webhook may be for every list
	IsNew    bool
	Keep     bool // keep events whenever it is off
	Types    []choice
	Sources  []choice
	Formats  []formatChoice
	Orders   []choice
	Batches  []choice

	Disclosures []choice
	Fields      chooser // custom fields; without choices the app names none
	FieldIDs    string  // a line each, as typed
	RateLimit   string  // as typed
}

// Faults are the fields that something is wrong with.
func (f form) Faults() []setting {
	return slices.DeleteFunc(slices.Clone(settings), func(s setting) bool { return f.Errors[s.Value] == "" })
}

// A choice is a checkbox or an option.
type choice struct {
	Value, Text string
	Chosen      bool
}

// A formatChoice is a format with a sample of what is sent in it.
type formatChoice struct {
	choice
	Sample string // some of the lines that differ between the formats
}

// telling are the keys whose lines tell the formats apart.
var telling = regexp.MustCompile(`^(date_time|\w+(\[first_name\]|\.first_name|\[fields\]\[7\]|\.fields\.7))$`)

func (p *pageRequest) formatChoices(chosen webhook.Format) []formatChoice {
	var all []formatChoice
	for _, c := range choices(p.lang, label.Formats, chosen) {
		f := formatChoice{choice: c}
		for _, param := range params.OfDelivery(webhook.SampleBody(webhook.TypeSubscribe, webhook.Format(c.Value))) {
			if telling.MatchString(param.Key) {
				f.Sample += param.Key + " = " + param.Value + "\n"
			}
		}
		all = append(all, f)
	}
	return all
}

// types are the labels of the app's event types, and of others.
func (p *pageRequest) types(others ...webhook.EventType) []label.Label {
	return label.OfTypes(p.Catalogue(), others...)
}

// sources are the labels of the sources that the app emits events from, and of others.
func (p *pageRequest) sources(others ...webhook.Source) []label.Label {
	return label.OfSources(p.Catalogue(), others...)
}

func choices[T ~string](lang *text.Language, labels []label.Label, chosen ...T) []choice {
	all := make([]choice, len(labels))
	for i, l := range labels {
		all[i] = choice{l.Value, l.In(lang), slices.Contains(chosen, T(l.Value))}
	}
	return all
}

// newForm completes a form for showing it.
func (p *pageRequest) newForm(f form) (form, error) {
	lists, known, err := p.Lists(p.r.Context())
	if err != nil {
		return form{}, err
	}
	w := f.Webhook
	f.Lists, f.KnowsAny = offer("list", p.r.PostForm, p.listChoices(lists, w.List), w.List), !known
	f.Types = slices.DeleteFunc(choices(p.lang, p.types(w.Events...), w.Events...), func(c choice) bool {
		return !c.Chosen && !p.Limits.AllowsEvent(webhook.EventType(c.Value))
	})
	f.Sources = choices(p.lang, p.sources(w.Sources...), w.Sources...)
	if w.Format == "" {
		w.Format = webhook.Format2013
	}
	f.Batches = p.batchChoices(w)
	f.Orders = choices(p.lang, label.Orders, cmp.Or(w.Order, webhook.OrderState))
	f.Formats = slices.DeleteFunc(p.formatChoices(w.Format), func(c formatChoice) bool {
		return !c.Chosen && !p.Limits.AllowsFormat(webhook.Format(c.Value))
	})
	f.AnyList = p.Limits.AllowsList("") || w.List == "" && w.ID != ""
	f.Disclosures = choices(p.lang, label.Disclosures, cmp.Or(w.Disclosure, webhook.DiscloseAll))
	fields, err := p.customFields(w.FieldIDs)
	if err != nil {
		return form{}, err
	}
	f.Fields, f.FieldIDs = offer("field", p.r.PostForm, fields, w.FieldIDs...), strings.Join(w.FieldIDs, "\n")
	if w.RateLimit != 0 {
		f.RateLimit = p.lang.Typed(w.RateLimit)
	}
	if p.r.PostForm.Has("rate_limit") {
		f.RateLimit = p.r.PostForm.Get("rate_limit")
	}
	f.IsNew, f.Keep = w.ID == "", account.KeepsEvents(w)
	return f, nil
}

func (p *pageRequest) showForm(status int, f form) error {
	f, err := p.newForm(f)
	if err != nil {
		return err
	}
	title := text.Message("Add a webhook")
	if !f.IsNew {
		title = "Edit webhook"
	}
	return p.render(status, "form", p.lang.Text(title), f)
}

// addForm shows the form for a new webhook. An app's own pages may link to it
// with a name and a URL to suggest: "add?name=…&url=…".
func (p *pageRequest) addForm() error {
	suggested := p.r.URL.Query()
	var limit account.LimitError
	var problem string
	if err := p.Full(p.r.Context()); errors.As(err, &limit) { // before anything is typed in vain
		problem = p.limitReached(limit)
	} else if err != nil {
		return err
	}
	return p.showForm(http.StatusOK, form{
		Problem: problem,
		Webhook: webhook.Webhook{Settings: webhook.Settings{
			Name: suggested.Get("name"), URL: suggested.Get("url"),
			Events: p.allowedTypes(), Sources: webhook.Sources(), Format: p.FormatOfNew(),
		}},
		Sign: true,
	})
}

func (p *pageRequest) editForm() error {
	w, err := p.Webhook(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		return err
	}
	if w.Unreadable() != "" {
		return webhook.ErrUnreadable
	}
	return p.showForm(http.StatusOK, form{Webhook: w, Headers: headerLines(w.Headers), Was: fingerprints(w)})
}

// allowedTypes are the types of events that the visitor may choose.
func (p *pageRequest) allowedTypes() []webhook.EventType {
	return slices.DeleteFunc(p.NineEmitted(), func(t webhook.EventType) bool { return !p.Limits.AllowsEvent(t) })
}

// headerLines writes header fields as they are typed.
func headerLines(headers map[string]string) string {
	var lines []string
	for name, value := range headers {
		lines = append(lines, name+": "+value+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// readHeaders reads lines of header fields, or says which is none.
func readHeaders(text string) (headers map[string]string, reason string) {
	headers = map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name = http.CanonicalHeaderKey(strings.TrimSpace(name))
		if !ok || name == "" {
			return headers, `contains a line that is not of the form "Name: value"`
		}
		if _, twice := headers[name]; twice {
			return headers, "contains " + name + " twice"
		}
		headers[name] = strings.TrimSpace(value)
	}
	return headers, ""
}

// readForm takes over what was typed into w, and finds everything that is wrong with
// it: whoever types should not meet one mistake after the other.
func (p *pageRequest) readForm(values url.Values, w *webhook.Webhook) (headers string, faults map[string]string, err error) {
	was, list := *w, w.List
	if w.ID == "" {
		was.List = account.NoList
	}
	w.Name = strings.TrimSpace(values.Get("name"))
	w.URL = strings.TrimSpace(values.Get("url"))
	w.List = strings.TrimSpace(values.Get("list"))
	if w.List == "0" {
		w.List = ""
	}
	w.Events = typed[webhook.EventType](values["event"])
	w.Sources = typed[webhook.Source](values["source"])
	if values.Has("format") {
		w.Format = webhook.Format(values.Get("format"))
	}
	if values.Has("order") {
		w.Order = webhook.Order(values.Get("order"))
	}
	if values.Has("batch") {
		setBatch(w, values.Get("batch"))
	}
	if values.Has("disclosure") {
		w.Disclosure, w.FieldIDs = webhook.Disclosure(values.Get("disclosure")), nil
	}
	if w.Disclosure == webhook.DiscloseFields {
		w.FieldIDs = typedIDs(values["field_id"])
	}
	w.NoRetry = values.Get("no_retry") != ""
	noNumber := readRateLimit(values, w)
	account.SetKeepsEvents(w, values.Get("keep") != "")
	var reason string
	if headers = values.Get("headers"); p.Limits.NoHeaders && headers == "" {
		headers = headerLines(w.Headers) // the form has no field for them
	}
	w.Headers, reason = readHeaders(headers)
	faults = p.validateAll(*w)
	if reason != "" {
		faults["Headers"] = p.problem(&webhook.InvalidError{Field: "Headers", Reason: reason}, "")
	}
	for _, t := range w.Events {
		if faults["Events"] == "" && !p.Emits(t) && !slices.Contains(was.Events, t) {
			faults["Events"] = p.problem(&webhook.InvalidError{Field: "Events", Reason: "contains the unknown type " + strconv.Quote(string(t))}, "")
		}
	}
	var invalid *webhook.InvalidError
	if errors.As(noNumber, &invalid) {
		faults["RateLimit"] = p.problem(invalid, "")
	}
	if faults["URL"] == "" && w.URL != was.URL && errors.As(p.CheckURL(w.URL), &invalid) {
		faults["URL"] = p.problem(invalid, w.URL)
	}
	for _, limited := range p.EditProblems(was, *w) {
		if field := formField(limited.Field); faults[field] == "" {
			faults[field] = p.problem(limited, w.URL)
		}
	}
	if faults["List"] == "" && w.List != list {
		switch err := p.CheckList(p.r.Context(), w.List); {
		case errors.As(err, &invalid):
			faults["List"] = p.problem(invalid, "")
		case err != nil:
			return "", nil, err
		}
	}
	return headers, faults, nil
}

func typed[T ~string](texts []string) []T {
	values := make([]T, len(texts))
	for i, text := range texts {
		values[i] = T(text)
	}
	return values
}

// validateAll returns the problems of a webhook by the field of the form.
func (p *pageRequest) validateAll(w webhook.Webhook) map[string]string {
	faults := map[string]string{}
	if err := account.CheckName(w.Name); err != nil {
		faults["Name"] = p.lang.Text("Enter a name.")
	}
	for _, bad := range account.Faults(w) {
		if field := formField(bad.Field); faults[field] == "" {
			faults[field] = p.problem(bad, w.URL)
		}
	}
	return faults
}

// refuseForm shows a form again with an error of storing it at its field, or
// returns the error.
func (p *pageRequest) refuseForm(f form, err error) error {
	var invalid *webhook.InvalidError
	var limit account.LimitError
	if errors.As(err, &limit) { // what was typed is kept until one was deleted
		f.Problem = p.limitReached(limit)
		return p.showForm(http.StatusForbidden, f)
	}
	if !errors.As(err, &invalid) {
		return err
	}
	f.Errors[formField(invalid.Field)] = p.problem(invalid, f.Webhook.URL)
	return p.showForm(http.StatusUnprocessableEntity, f)
}

func (p *pageRequest) addWebhook() error {
	f := form{Sign: p.r.PostForm.Get("sign") != ""}
	f.Webhook.Format = p.FormatOfNew()
	var err error
	if f.Headers, f.Errors, err = p.readForm(p.r.PostForm, &f.Webhook); err != nil {
		return err
	}
	if finding(p.r.PostForm, "list", "field") {
		return p.showFound(f)
	}
	if len(f.Errors) > 0 {
		return p.showForm(http.StatusUnprocessableEntity, f)
	}
	w := f.Webhook
	if f.Sign || p.Limits.MustSign {
		w.Secrets = []webhook.Secret{webhook.NewSecret()}
	}
	added, err := p.Add(p.r.Context(), w)
	if err != nil {
		return p.refuseForm(f, err)
	}
	return p.goTo(p.addressOfNew(added[0], true))
}
