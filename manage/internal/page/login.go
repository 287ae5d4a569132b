package page

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/route"
)

// A loginView is the page that asks somebody to log in.
type loginView struct {
	Login  string // the address; "": the app has named none
	Typed  []field
	IsForm bool // a form was sent: it is kept, to be sent again
}

// A field is one value of a form that was sent.
type field struct{ Name, Value string }

// askLogin sends somebody without a session to the login. What a form held is
// kept on a page of its own, since it would not survive the way to the login and
// back: it can be sent again from there after a login in another tab.
func (p *pageRequest) askLogin() error {
	p.Access = account.Access{}
	isForm := p.r.Method == http.MethodPost
	login, err := p.login(isForm)
	if err != nil {
		return err
	}
	if login != "" && !isForm {
		route.Redirect(p.w, login, http.StatusSeeOther)
		return nil
	}
	return p.render(http.StatusUnauthorized, "login", p.lang.Text("You are not logged in"), loginView{
		Login: login, Typed: p.typedFields(), IsForm: isForm,
	})
}

// login returns the address of the login, "" where the app names none.
func (p *pageRequest) login(isForm bool) (string, error) {
	if p.page.Login == nil {
		return "", nil
	}
	asked, err := url.Parse(route.RequestPath(p.r))
	if err != nil {
		return "", err
	}
	back := *asked
	back.RawQuery = p.r.URL.RawQuery
	if isForm { // the form is in another tab, and is sent from there
		resume, err := asked.Parse(p.base + "resume")
		if err != nil {
			return "", err
		}
		back = *resume
	}
	return p.page.Login(p.r, back.String()), nil
}

// typedFields returns the fields of the form that was sent, in order of
// name.
func (p *pageRequest) typedFields() []field {
	var fields []field
	for _, name := range slices.Sorted(maps.Keys(p.r.PostForm)) {
		for _, value := range p.r.PostForm[name] {
			fields = append(fields, field{name, strings.ToValidUTF8(value, "\ufffd")})
		}
	}
	return fields
}

// resume is where a login leads back to whose form waits in another tab.
func (p *pageRequest) resume() error {
	return p.render(http.StatusOK, "resume", p.lang.Text("You are logged in"), nil)
}
