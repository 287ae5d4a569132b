// Package route leads a request to what serves it, below any prefix that the app
// mounted the handler at.
//
// InnerPath and APIPath find out which part of a request's path is the handler's own, with
// http.ServeMux or another router before it. Register puts a table of routes on
// a ServeMux, and says to other methods which ones an address takes. The page
// and the newer API have such a table each; Redirect leads from one address to
// another without knowing the prefix.
package route

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/listhook/webhook/manage/internal/account"
)

// A Route is one method of one address. Serve is whatever the table's owner
// calls to serve it.
type Route[F any] struct {
	Method, Path string // of the ServeMux's pattern; the path is below the table's folder
	Need         account.Right
	Serve        F
}

// Get returns a route of the method GET, which serves HEAD too.
func Get[F any](path string, need account.Right, serve F) Route[F] {
	return Route[F]{http.MethodGet, path, need, serve}
}

// Post returns a route of the method POST.
func Post[F any](path string, need account.Right, serve F) Route[F] {
	return Route[F]{http.MethodPost, path, need, serve}
}

// Put returns a route of the method PUT.
func Put[F any](path string, need account.Right, serve F) Route[F] {
	return Route[F]{http.MethodPut, path, need, serve}
}

// Delete returns a route of the method DELETE.
func Delete[F any](path string, need account.Right, serve F) Route[F] {
	return Route[F]{http.MethodDelete, path, need, serve}
}

// Register puts routes on a mux, below a folder that ends in a slash. For each
// request serve is called with its route. For a method that its address does not
// take refuse is called, with those that it takes, which stand in the header
// Allow already.
func Register[F any](mux *http.ServeMux, folder string, routes []Route[F],
	serve func(http.ResponseWriter, *http.Request, Route[F]), refuse func(w http.ResponseWriter, r *http.Request, allowed string)) {
	paths := map[string]map[string]Route[F]{}
	for _, route := range routes {
		if paths[route.Path] == nil {
			paths[route.Path] = map[string]Route[F]{}
		}
		paths[route.Path][route.Method] = route
	}
	for path, methods := range paths {
		names := slices.Collect(maps.Keys(methods))
		if _, ok := methods[http.MethodGet]; ok {
			names = append(names, http.MethodHead)
		}
		slices.Sort(names)
		allowed := strings.Join(names, ", ")
		mux.HandleFunc(folder+path, func(w http.ResponseWriter, r *http.Request) {
			method := r.Method
			if method == http.MethodHead { // a GET whose body net/http drops
				method = http.MethodGet
			}
			route, ok := methods[method]
			if !ok {
				w.Header().Set("Allow", allowed)
				refuse(w, r, allowed)
				return
			}
			serve(w, r, route)
		})
	}
}

// Redirect sends the client on. The target is relative to what the client
// asked for, which only the client knows whole: http.Redirect would make it
// absolute without the prefix.
func Redirect(w http.ResponseWriter, target string, status int) {
	w.Header().Set("Location", target)
	w.WriteHeader(status)
}
