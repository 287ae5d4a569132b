package page

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/params"
	"github.com/listhook/webhook/manage/internal/route"
	"github.com/listhook/webhook/manage/internal/text"
)

// A pageRequest is one request for the page.
type pageRequest struct {
	*account.Caller
	page *Page
	w    http.ResponseWriter
	r    *http.Request
	base string // the relative way to the handler's root: "./", "../"
	now  time.Time
	lang *text.Language
}

// The refusals that only the page knows.
var (
	errNoSession = errors.New("nobody is logged in")
	errMethod    = errors.New("method not allowed")
	errForged    = errors.New("asked for by another site")
	errNoChoice  = errors.New("a form sent what it does not offer")
)

// policy is the content security policy. Nothing inline, nothing from elsewhere.
// Around an app's layout only the frames are the page's business.
func (c *Config) policy() (string, error) {
	frames := "frame-ancestors 'self'"
	for _, origin := range c.FrameAncestors {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Scheme+"://"+u.Host != origin || strings.ContainsAny(origin, " ;,'\"") {
			return "", &webhook.InvalidError{Field: "Options.FrameAncestors", Reason: "contains an entry that is not an origin, such as https://app.example.com"}
		}
		frames += " " + origin
	}
	if c.Layout != nil {
		return frames, nil
	}
	return "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
		"img-src 'self'; form-action 'self'; " + frames + "; base-uri 'none'", nil
}

func (p *Page) serve(w http.ResponseWriter, r *http.Request, route route.Route[action]) {
	r.Body = http.MaxBytesReader(w, r.Body, params.MaxBody)
	header := w.Header()
	header.Add("Content-Security-Policy", p.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	// With no-referrer, browsers would not say the origin of a form either.
	header.Set("Referrer-Policy", "same-origin")

	req := &pageRequest{Caller: p.Accounts.Anybody(), page: p, w: w, r: r, now: time.Now(), lang: p.Texts.Language(p.Locale)}
	req.base = "./" + strings.Repeat("../", strings.Count(r.URL.EscapedPath(), "/")-1)
	err := req.admit(route.Need)
	if err == nil {
		err = route.Serve(req)
	}
	if errors.Is(err, errNoSession) {
		err = req.askLogin()
	}
	if err != nil {
		req.refuse(err)
	}
}

// admit finds out who asks and whether they may. Where a form comes from is
// looked at first, so that another site cannot have its fields kept on a page of
// ours until somebody logs in.
func (p *pageRequest) admit(need account.Right) error {
	if p.page.forms.Check(p.r) != nil {
		return errForged
	}
	if p.r.Method == http.MethodPost {
		if err := p.r.ParseForm(); err != nil {
			if errors.As(err, new(*http.MaxBytesError)) {
				return params.ErrTooMuch
			}
			return params.ErrEncoding
		}
	}
	if need == account.RightPublic {
		return nil
	}
	if p.page.Session == nil {
		return account.ErrForbidden
	}
	access, loggedIn, err := p.page.Session(p.r)
	if err != nil {
		return fmt.Errorf("webhook: Options.Session: %w", err)
	}
	if !loggedIn {
		return errNoSession
	}
	if !access.Allows(account.RightAny) {
		return account.ErrForbidden
	}
	p.Access = access
	if access.Locale != "" {
		p.lang = p.page.Texts.Language(access.Locale)
	}
	if !access.Allows(need) {
		return account.ErrForbidden
	}
	caller, err := p.page.Accounts.Caller(p.r.Context(), access)
	switch {
	case err == nil:
		p.Caller = caller
	case need == account.RightOperator: // which needs no account
		p.LogFault(p.r.Context(), "webhook: the operator's own account cannot be asked for", err)
		return nil
	}
	return err
}

// refuse answers with an error's page.
func (p *pageRequest) refuse(err error) {
	type problem struct{ Text string }
	var busy account.BusyError
	var limit account.LimitError
	var invalid *webhook.InvalidError
	status, says := http.StatusInternalServerError, p.lang.Text("Something went wrong on our side. We logged it.")
	switch {
	case errors.Is(err, account.ErrForbidden):
		status, says = http.StatusForbidden, p.lang.Text("You do not have permission for this. Ask your administrator for it.")
	case errors.Is(err, errForged):
		status, says = http.StatusForbidden, p.lang.Text("The form came from another site, so nothing was changed. If you sent it from here, reload the page and try again.")
	case errors.Is(err, webhook.ErrNotFound):
		status, says = http.StatusNotFound, p.lang.Text("There is nothing here. It may have been deleted, or it is too old for the log.")
	case errors.Is(err, webhook.ErrConflict):
		status, says = http.StatusConflict, p.lang.Text("Somebody else changed the webhook in the meantime, so nothing was done. Review the webhook first.")
	case errors.Is(err, errMethod):
		status, says = http.StatusMethodNotAllowed, p.lang.Text("This address does not accept such a request.")
	case errors.Is(err, params.ErrTooMuch):
		status, says = http.StatusRequestEntityTooLarge, p.lang.Text("The form is too large.")
	case errors.Is(err, params.ErrEncoding):
		status, says = http.StatusBadRequest, p.lang.Text("The form could not be read.")
	case errors.As(err, &busy):
		p.w.Header().Set("Retry-After", fmt.Sprint(int(busy)))
		status, says = http.StatusTooManyRequests, p.lang.Text("Too many requests. Wait {n, plural, one {# second} other {# seconds}}, then try again.", "n", int(busy))
	case errors.Is(err, account.ErrUnavailable):
		p.w.Header().Set("Retry-After", account.UnavailableRetryAfter)
		status, says = http.StatusServiceUnavailable, p.lang.Text("Your account is temporarily unavailable. Try again soon.")
	case errors.As(err, &limit):
		status, says = http.StatusForbidden, p.limitReached(limit)
	case errors.As(err, &invalid):
		status, says = http.StatusUnprocessableEntity, p.problem(invalid, "")
	case errors.Is(err, errNoChoice):
		status, says = http.StatusUnprocessableEntity, p.lang.Text("The form sent a value that it does not offer. Reload the page and try again.")
	default:
		p.LogFault(p.r.Context(), "webhook: the page failed", err)
	}
	if err := p.render(status, "error", p.lang.Text(errorTitle(status)), problem{Text: says}); err != nil {
		p.Logger.Error("webhook: the page failed", "error", err)
		http.Error(p.w, says, status)
	}
}

// limitReached says that no more webhooks may be added.
func (p *pageRequest) limitReached(limit account.LimitError) string {
	return p.lang.Text("You have {n, plural, one {# webhook, which is the limit} other {# webhooks, which is the limit}}. Delete one first.", "n", int(limit))
}

// errorTitle is the heading of an error's page.
func errorTitle(status int) text.Message {
	switch status {
	case http.StatusForbidden:
		return "Not allowed"
	case http.StatusNotFound:
		return "Not found"
	case http.StatusConflict:
		return "Changed by somebody else"
	case http.StatusTooManyRequests:
		return "Too many requests"
	case http.StatusInternalServerError:
		return "Something went wrong"
	}
	return "This did not work"
}
