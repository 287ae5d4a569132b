package route

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// InnerPath returns a request's escaped path below the handler's prefix,
// beginning with a slash; "": the prefix itself without its slash.
//
// What http.StripPrefix took off is gone already. Else the pattern of
// http.ServeMux tells the prefix. It stays set in either case, so whether the
// prefix is gone is told by what the client asked for.
func InnerPath(r *http.Request) string {
	rest := r.URL.EscapedPath()
	prefix := prefixOf(r.Pattern)
	have := segments(rest)
	if len(prefix) == 0 || len(have) <= len(prefix) || !matches(prefix, have[:len(prefix)]) {
		return rest
	}
	if before, ok := strings.CutSuffix(RequestPath(r), rest); ok {
		gone := segments(before)
		if len(gone) >= len(prefix) && matches(prefix, gone[len(gone)-len(prefix):]) {
			return rest
		}
	}
	return "/" + strings.Join(have[len(prefix):], "/")
}

// APIPath returns the part of a request's escaped path that is the APIs' own:
// api/3 or admin/api.php and what follows. Without one it is a path that neither
// API has.
func APIPath(r *http.Request) string {
	have := segments(path.Clean("/" + r.URL.EscapedPath()))
	for i := range len(have) - 1 {
		if have[i] == "api" && have[i+1] == "3" || have[i] == "admin" && have[i+1] == "api.php" {
			return "/" + strings.Join(have[i:], "/")
		}
	}
	if have[0] == "admin" {
		return "/admin/"
	}
	return "/api"
}

// IsBelow reports whether a clean path is that of a folder or below it.
func IsBelow(path, folder string) bool {
	rest, ok := strings.CutPrefix(path, folder)
	return ok && (rest == "" || rest[0] == '/')
}

// prefixOf returns the segments of a pattern of http.ServeMux for a whole
// subtree, and of another pattern none.
func prefixOf(pattern string) []string {
	if slash := strings.IndexByte(pattern, '/'); slash >= 0 {
		pattern = pattern[slash:] // a method and a host may come before it
	}
	if open := strings.LastIndex(pattern, "/{"); open >= 0 && strings.HasSuffix(pattern, "...}") {
		pattern = pattern[:open+1]
	}
	if !strings.HasSuffix(pattern, "/") || pattern == "/" {
		return nil
	}
	return segments(strings.TrimSuffix(pattern, "/"))
}

func segments(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

// matches reports whether escaped segments are such as a pattern has.
func matches(pattern, escaped []string) bool {
	for i, want := range pattern {
		have, err := url.PathUnescape(escaped[i])
		if plain, bad := url.PathUnescape(want); bad == nil {
			want = plain
		}
		if err != nil || have != want && !strings.HasPrefix(want, "{") {
			return false
		}
	}
	return true
}

// RequestPath returns the escaped path that the client asked for.
func RequestPath(r *http.Request) string {
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return u.EscapedPath()
	}
	return r.URL.EscapedPath()
}
