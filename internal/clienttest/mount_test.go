package clienttest

import (
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/listhook/webhook/manage"
)

// appsLayout is a page of an app's that has styles of its own.
func appsLayout(w io.Writer, _ *http.Request, c manage.Content) error {
	return layoutTemplate.Execute(w, c)
}

var layoutTemplate = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} · Acme</title>
<style>
body { margin: 0; font: 18px/1.4 serif; background: #fff; color: #222; }
header { padding: 20px; background: #204; color: #fff; }
h1 { color: #b00; text-transform: uppercase; } table { border: 3px solid #b00; } button { border-radius: 0; } section { padding: 0; }
footer { padding: 20px; }
</style>{{.Head}}</head>
<body><header><p>Acme Mail</p></header><main>{{.Body}}</main><footer>Made by Acme</footer></body></html>`))

// appsFrame starts a site of an app's that shows a page in a frame, and returns the
// site's origin.
func appsFrame(t *testing.T, page func() string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/favicon.ico" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = frameTemplate.Execute(w, page())
	}))
	t.Cleanup(server.Close)
	// Browsers take names and addresses for different sites.
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

var frameTemplate = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Acme</title>
<style>body { margin: 0; } iframe { display: block; border: 0; width: 100%; height: 100vh; }</style></head>
<body><iframe name="webhooks" title="Webhooks" src="{{.}}"></iframe></body></html>`))
