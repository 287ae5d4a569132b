package page

import (
	"embed"
	"net/http"
)

//go:embed snippets
var snippetFiles embed.FS

// A snippet checks signatures in a language. Tests run each on real deliveries.
type snippet struct {
	Language, ID, File string
	Code               string
}

var snippets = []snippet{
	{Language: "PHP", ID: "php", File: "verify.php"},
	{Language: "Node.js", ID: "node", File: "verify.js"},
	{Language: "Python", ID: "python", File: "verify.py"},
	{Language: "Ruby", ID: "ruby", File: "verify.rb"},
	{Language: "Go", ID: "go", File: "verify.go.txt"},
}

// verifyView shows how to check signatures.
func (p *pageRequest) verifyView() error {
	all := make([]snippet, len(snippets))
	for i, s := range snippets {
		code, err := snippetFiles.ReadFile("snippets/" + s.File)
		if err != nil {
			return err
		}
		s.Code = string(code)
		all[i] = s
	}
	return p.render(http.StatusOK, "verify", p.lang.Text("Verify signatures"), all)
}
