package page

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
)

// logFilters are the parameters of the log's address that select deliveries.
var logFilters = append([]string{"webhook", "state", "event", "since", "until", "about"}, account.SearchFields...)

// searchedFor are the fields of an account.Search of which the form looks for one.
var searchedFor = []label.Label{
	{Value: "subscriber", Text: "Subscriber: email or ID"},
	{Value: "campaign", Text: "Campaign ID"},
	{Value: "event_id", Text: "Event ID"},
	{Value: "delivery", Text: "Delivery ID (webhook-id)"},
}

// searchLog takes the log's form, and leads to the address of what it selects. The form
// is posted and the address has a keyed hash instead of an email address, because
// addresses of pages are kept in the logs of servers and proxies, and in histories.
func (p *pageRequest) searchLog() error {
	form, query := p.r.PostForm, url.Values{}
	for _, name := range []string{"webhook", "state", "event", "since", "until", "reason"} {
		if value := strings.TrimSpace(form.Get(name)); value != "" {
			query.Set(name, value)
		}
	}
	if value := strings.TrimSpace(form.Get("value")); value != "" {
		find := form.Get("find")
		if !label.Has(searchedFor, find) {
			return errNoChoice
		}
		query.Set(find, value)
	} else if about := form.Get("about"); about != "" {
		query.Set("about", about)
	}
	out, q, err := p.filters(query)
	if err != nil {
		return err
	}
	if len(out.Errors) > 0 {
		return p.render(http.StatusUnprocessableEntity, "log", p.lang.Text("Delivery log"), out)
	}
	if strings.Contains(query.Get("subscriber"), "@") {
		query.Del("subscriber")
		query.Set("about", q.Subject)
	}
	if len(query) == 0 {
		return p.goTo("deliveries")
	}
	return p.goTo("deliveries?" + query.Encode())
}

// search reads what is looked for, and adds it to the log's query.
func (p *pageRequest) search(query url.Values, out *logView, q *webhook.DeliveryQuery) error {
	s := account.SearchOf(query.Get)
	s.About = query.Get("about")
	found := cmp.Or(query.Get("find"), "subscriber")
	for _, l := range searchedFor {
		if value := query.Get(l.Value); value != "" {
			found, out.Value = l.Value, value
		}
	}
	offered := searchedFor
	if !p.Searchable() {
		offered = searchedFor[len(searchedFor)-1:]
	}
	out.Find = choices(p.lang, offered, found)
	out.About, out.Reason, out.Reasons = s.About, s.Reason, choices[string](p.lang, label.Failures)
	out.Filtered = out.Filtered || s != account.Search{}
	for { // Narrow names the first problem
		err := p.Narrow(p.r.Context(), s, q)
		var invalid *webhook.InvalidError
		if !errors.As(err, &invalid) {
			return err
		}
		if invalid.Field == "reason" {
			out.Errors["Reason"], s.Reason = p.problem(invalid, ""), ""
		} else {
			out.Errors["Value"], s = p.problem(invalid, ""), account.Search{Reason: s.Reason}
		}
	}
}

// nameAbout says whom the log is about, where its address has the hash alone: the
// deliveries that were found say it.
func (p *pageRequest) nameAbout(out *logView) {
	if out.About == "" {
		return
	}
	i := slices.IndexFunc(out.Deliveries, func(r deliveryRow) bool {
		_, email := r.Subscriber()
		return p.IsAbout(out.About, webhook.SubjectEmail, email)
	})
	if i >= 0 {
		_, out.Value = out.Deliveries[i].Subscriber()
		out.About = ""
	}
}
