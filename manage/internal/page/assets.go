package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"

	"github.com/listhook/webhook"
)

//go:embed templates assets
var files embed.FS

// An asset is a file that the page's HTML names.
type asset struct {
	contentType string
	content     []byte
}

// newAssets returns the assets by name, the app's style after the page's, and a
// version that changes with them.
func newAssets(style string) (assets map[string]asset, version string, err error) {
	css, err := files.ReadFile("assets/page.css")
	if err != nil {
		return nil, "", err
	}
	js, err := files.ReadFile("assets/page.js")
	if err != nil {
		return nil, "", err
	}
	css = append(css, style...)
	sum := sha256.Sum256(append(css, js...))
	return map[string]asset{
		"page.css": {"text/css; charset=utf-8", css},
		"page.js":  {"text/javascript; charset=utf-8", js},
	}, base64.RawURLEncoding.EncodeToString(sum[:9]), nil
}

// asset serves the style and the script. Their addresses change with them.
func (p *pageRequest) asset() error {
	a, ok := p.page.assets[p.r.PathValue("name")]
	if !ok {
		return webhook.ErrNotFound
	}
	p.w.Header().Set("Content-Type", a.contentType)
	p.w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	_, _ = p.w.Write(a.content)
	return nil
}
