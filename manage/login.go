package manage

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// ErrNoSession is what Options.Session returns when nobody is logged in, or the
// session has ended. Errors that wrap it count as well.
var ErrNoSession = errors.New("webhook: nobody is logged in")

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
func (v *visit) askLogin() error {
	v.Access = Access{}
	isForm := v.r.Method == http.MethodPost
	login, err := v.login(isForm)
	if err != nil {
		return err
	}
	if login != "" && !isForm {
		redirect(v.w, login, http.StatusSeeOther)
		return nil
	}
	return v.render(http.StatusUnauthorized, "login", "You are not logged in", loginView{
		Login: login, Typed: v.typedFields(), IsForm: isForm,
	})
}

// login returns the address of the login, "" where the app names none.
func (v *visit) login(isForm bool) (string, error) {
	if v.opts.Login == nil {
		return "", nil
	}
	asked, err := url.Parse(requestPath(v.r))
	if err != nil {
		return "", err
	}
	back := *asked
	back.RawQuery = v.r.URL.RawQuery
	if isForm { // the form is in another tab, and is sent from there
		resume, err := asked.Parse(v.base + "resume")
		if err != nil {
			return "", err
		}
		back = *resume
	}
	return v.opts.Login(v.r, back.String()), nil
}

// typedFields returns the fields of the form that was sent, in order of
// name.
func (v *visit) typedFields() []field {
	var fields []field
	for _, name := range slices.Sorted(maps.Keys(v.r.PostForm)) {
		for _, value := range v.r.PostForm[name] {
			fields = append(fields, field{name, strings.ToValidUTF8(value, "\ufffd")})
		}
	}
	return fields
}

// resume is where a login leads back to whose form waits in another tab.
func (v *visit) resume() error {
	return v.render(http.StatusOK, "resume", "You are logged in", nil)
}
