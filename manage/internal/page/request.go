package page

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/params"
	"github.com/listhook/webhook/manage/internal/route"
)

// A pageRequest is one request for the page.
type pageRequest struct {
	*account.Caller
	page *Page
	w    http.ResponseWriter
	r    *http.Request
	base string // the relative way to the handler's root: "./", "../"
	now  time.Time
}

// The refusals that only the page knows.
var (
	errNoSession = errors.New("nobody is logged in")
	errMethod    = errors.New("method not allowed")
	errForged    = errors.New("asked for by another site")
)

// policy is the page's content security policy. Nothing inline, nothing from
// elsewhere.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
	"img-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'"

func (p *Page) serve(w http.ResponseWriter, r *http.Request, route route.Route[action]) {
	r.Body = http.MaxBytesReader(w, r.Body, params.MaxBody)
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	// With no-referrer, browsers would not say the origin of a form either.
	header.Set("Referrer-Policy", "same-origin")

	req := &pageRequest{Caller: p.Accounts.Caller(account.Access{}), page: p, w: w, r: r, now: time.Now()}
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
	if !access.Allows(need) {
		return account.ErrForbidden
	}
	return nil
}

// refuse answers with an error's page.
func (p *pageRequest) refuse(err error) {
	type problem struct{ Text, Back string }
	var busy account.BusyError
	var limit account.LimitError
	var invalid *webhook.InvalidError
	status, text := http.StatusInternalServerError, account.SomethingWrong
	switch {
	case errors.Is(err, account.ErrForbidden):
		status, text = http.StatusForbidden, "You may not see or do this. Your administrator can give you the right to."
	case errors.Is(err, errForged):
		status, text = http.StatusForbidden, "The form was sent from another site, so nothing was changed. If you sent it from here, open this page anew and try again."
	case errors.Is(err, webhook.ErrNotFound):
		status, text = http.StatusNotFound, "There is nothing here. It may have been deleted, or its log may have been removed by age."
	case errors.Is(err, webhook.ErrConflict):
		status, text = http.StatusConflict, "Somebody else changed the webhook meanwhile, so nothing was done. Look at it again first."
	case errors.Is(err, errMethod):
		status, text = http.StatusMethodNotAllowed, "This address does not take such a request."
	case errors.Is(err, params.ErrTooMuch):
		status, text = http.StatusRequestEntityTooLarge, "The form holds too much."
	case errors.Is(err, params.ErrEncoding):
		status, text = http.StatusBadRequest, "The form could not be read."
	case errors.As(err, &busy):
		p.w.Header().Set("Retry-After", fmt.Sprint(int(busy)))
		status, text = http.StatusTooManyRequests, busy.Error()
	case errors.As(err, &limit):
		status, text = http.StatusForbidden, limit.Error()
	case errors.As(err, &invalid):
		status, text = http.StatusUnprocessableEntity, sentence(invalid)
	default:
		p.Logger.Error("webhook: the page failed", "error", err)
	}
	if err := p.render(status, "error", http.StatusText(status), problem{Text: text}); err != nil {
		p.Logger.Error("webhook: the page failed", "error", err)
		http.Error(p.w, text, status)
	}
}

// sentence says what is wrong with a field.
func sentence(e *webhook.InvalidError) string {
	text := e.Field + " " + e.Reason + "."
	switch e.Field {
	case "webhook", "Body":
		text = "The " + strings.ToLower(text)
	case "Disabled": // the form asks why
		text = "The reason " + e.Reason + "."
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
